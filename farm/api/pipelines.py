"""Pipelines are listed, shown, canceled and tried again, and their logs are read."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, HTTPException, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from farm import git
from farm.api.service import LONGEST_WAIT, Actor, Farm, Reader, Service, Who, admit, seen
from farm.errors import Refused
from farm.logs import Logs
from farm.pipeline import Pipeline, Status

LOG_LOOK = 0.2  # seconds between two looks into a log that somebody follows

log = structlog.get_logger()
routes = APIRouter(tags=["pipelines"])


class Cancellation(BaseModel):
    """Who cancels."""

    who: Who = None


class Retry(BaseModel):
    """Who tries again; with `failed` what passed is kept."""

    who: Who = None
    failed: bool = False


@routes.get("/pipelines", summary="List pipelines, newest first")
def pipelines(
    *,
    farm: Farm,
    reader: Reader,
    repository: str | None = None,
    ref: str | None = None,
    status: Status | None = None,
    before: int | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> list[dict[str, Any]]:
    """List them. A token of one repository must name it."""
    admit(reader, repository)
    found = farm.record.pipelines(repository=repository, ref=ref, status=status, before=before, limit=limit)
    return [pipeline.document(jobs=False) for pipeline in found]


@routes.get("/pipelines/{number}", summary="How one pipeline stands")
def pipeline(number: int, farm: Farm, reader: Reader) -> dict[str, Any]:
    """Show the pipeline with its stages and jobs, and in `waiting` one sentence on why it waits, or null."""
    return _shown(farm, seen(farm, reader, number))


@routes.get("/pipelines/{number}/definition", summary="What one pipeline runs")
def definition(number: int, farm: Farm, reader: Reader) -> dict[str, Any]:
    """Give its definition with everything filled in, and where the commit is; 404 when no step was ever to run."""
    found = seen(farm, reader, number)
    try:
        text = farm.record.definition(number)
    except Refused as refusal:
        raise HTTPException(404, str(refusal)) from refusal
    return {"definition": json.loads(text), "url": git.shown(farm.ledger.repository(found.repository).url)}


@routes.post("/pipelines/{number}/cancel", summary="Cancel a pipeline")
def cancel(number: int, cancellation: Cancellation, farm: Farm, actor: Actor) -> dict[str, Any]:
    """409 when it is over already or being released."""
    seen(farm, actor, number)
    who = actor.acting(cancellation.who)
    try:
        farm.record.cancel(number, who)
    except Refused as refusal:
        raise HTTPException(409, str(refusal)) from refusal
    log.info("pipeline.canceled", pipeline=number, who=who)
    return _shown(farm, farm.record.pipeline(number))


@routes.post("/pipelines/{number}/retry", summary="Try a finished pipeline again")
def retry(number: int, again: Retry, farm: Farm, actor: Actor) -> dict[str, Any]:
    """Open the next round under the same number; 409 when it is not over, or nothing is left to be tried."""
    found = seen(farm, actor, number)
    try:
        farm.intake.dispatcher.retry(number, actor.acting(again.who), failed=again.failed)
    except Refused as refusal:
        raise HTTPException(409, str(refusal)) from refusal
    if not found.stages:
        farm.intake.take(found.repository, number)
    return _shown(farm, farm.record.pipeline(number))


@routes.get("/pipelines/{number}/logs/{step:path}", summary="A step's log, from a cursor on, waiting for more if asked")
async def read_log(
    *,
    number: int,
    step: str,
    farm: Farm,
    reader: Reader,
    after: Annotated[str, Query(pattern=r"^[0-9-]{1,40}$")] = "0",
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT)] = 0.0,
    raw: bool = False,
) -> Any:
    """Give lines, or with `raw` the whole log so far as text, escapes and all; a stranger's data."""
    found = await run_in_threadpool(seen, farm, reader, number)
    if step not in _statuses(found):
        raise HTTPException(404, f"#{number} has no step {step!r}; it has {', '.join(_statuses(found)) or 'none'}")
    if raw:
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return StreamingResponse(_text(farm.logs, number, step), media_type="text/plain", headers=headers)
    deadline = asyncio.get_running_loop().time() + wait
    while True:
        over = _statuses(found)[step].final
        page = await run_in_threadpool(farm.logs.read, number, step, after)
        complete = page.complete or (over and not page.chunks)
        if page.chunks or complete or asyncio.get_running_loop().time() >= deadline:
            return asdict(page) | {"complete": complete}
        await asyncio.sleep(LOG_LOOK)
        found = await run_in_threadpool(farm.record.pipeline, number)


def _text(logs: Logs, number: int, step: str) -> Iterator[bytes]:
    for piece in logs.text(number, step):
        yield piece.encode(errors="replace")


def _shown(farm: Service, found: Pipeline) -> dict[str, Any]:
    return found.document() | {"waiting": farm.record.waiting(found.number)}


def _statuses(found: Pipeline) -> dict[str, Status]:
    return {job.name: job.status for stage in found.stages for job in stage.jobs}
