"""Pushes come in. What was answered with 200 is in the ledger; otherwise whoever reported it keeps it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from farm.answer import Outcome, compose
from farm.api.service import LONGEST_WAIT, Farm, Pusher, admit
from farm.errors import Refused
from farm.intake import Intake
from farm.ledger import Entry
from farm.pipeline import Status
from farm.push import Push

UPDATES = 10_000  # refs of one `git push` at most

routes = APIRouter(tags=["pushes"])
Text = Annotated[str, Field(max_length=500)]
Line = Annotated[str, Field(max_length=40, pattern=r"^([0-9]+-[0-9]+)?$")]


class Update(BaseModel):
    """One moved ref; `line` is its place in git's reflog.

    `reflog` is the last part of git's own list of its moves, oldest first: old, new and place of each.

    `who` is whoever pushed, where that is not the pusher of the whole report.
    """

    id: Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
    ref: Annotated[str, Field(max_length=1000)]
    old: str
    new: str
    line: Line = ""
    who: Text = ""
    reflog: Annotated[list[tuple[str, str] | tuple[str, str, Line]], Field(max_length=200)] = []


class Report(BaseModel):
    """The ref updates of one `git push`, or those that a reflog lists.

    `wait` is how many seconds the answer may wait for the pipelines' outcome. `clock` is what the clock of git's host
    says (Unix seconds): it dates the lines of the reflog, and may be wrong.
    """

    repository: Annotated[str, Field(min_length=1, max_length=200)]
    source: Literal["hook", "reflog"] = "hook"
    pusher: Text = ""
    options: Annotated[list[Text], Field(max_length=100)] = []
    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = 0.0
    clock: Annotated[float, Field(gt=0)] | None = None
    updates: Annotated[list[Update], Field(max_length=UPDATES)]


@routes.post("/pushes", summary="Report the ref updates of one git push")
async def pushes(report: Report, farm: Farm, pusher: Pusher) -> dict[str, Any]:
    """Answer when all of them are in the ledger, and with what is known about their pipelines by then."""
    admit(pusher, report.repository)
    updates = [
        Push(
            id=update.id,
            repository=report.repository,
            ref=update.ref,
            old=update.old,
            new=update.new,
            who=update.who or report.pusher,
            options=tuple(report.options),
            source=report.source,
            line=update.line,
        )
        for update in report.updates
    ]
    reflogs = {update.ref: update.reflog for update in report.updates if update.reflog}
    entries = await run_in_threadpool(farm.ledger.enter, report.repository, updates, reflogs, report.clock)
    await run_in_threadpool(farm.intake.host, report.repository)  # Redis is asked here, not where all requests wait
    found = await outcomes(farm.intake, updates, entries, report.wait)
    return {
        "pipelines": [brief(outcome, farm.settings.web_url) for outcome in found],
        "lines": compose(found, farm.settings.web_url),
    }


async def outcomes(intake: Intake, updates: Sequence[Push], entries: Sequence[Entry], wait: float) -> list[Outcome]:
    """Have pushes taken up, and return what became of them in so many seconds at most."""
    futures = [
        asyncio.wrap_future(intake.take(push.repository, entry.number))
        for push, entry in zip(updates, entries, strict=True)
    ]
    for future in futures:
        future.add_done_callback(lambda done: done.cancelled() or done.exception())  # the intake has logged it
    if futures:
        await asyncio.wait(futures, timeout=wait)
    found = []
    for push, entry, future in zip(updates, entries, futures, strict=True):
        found.append(replace(_outcome(push, entry.number, future), push=push, known=entry.known))
    return found


def _outcome(push: Push, number: int, future: "asyncio.Future[Outcome]") -> Outcome:
    if not future.done() or future.cancelled():
        return Outcome(push, number)
    error = future.exception()
    if isinstance(error, Refused):
        return Outcome(push, number, Status.SKIPPED, reason="it was known long ago; its pipeline is forgotten")
    return Outcome(push, number) if error else future.result()


def brief(outcome: Outcome, web_url: str) -> dict[str, Any]:
    """Return the JSON of what became of one push."""
    return {
        "id": outcome.push.id,
        "number": outcome.number,
        "known": outcome.known,
        "status": outcome.status,
        "reason": outcome.reason,
        "url": f"{web_url}/pipelines/{outcome.number}",
        "messages": list(outcome.messages),
    }
