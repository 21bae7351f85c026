"""The list of pipelines, filtered and page by page."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from farm.flower.pages.parts import version_of
from farm.flower.site import Page, Site, render
from farm.pipeline import Pipeline, Status
from farm.record import Record
from farm.refs import meant

PER_PAGE = 30

_LOOK, _MOST_LOOKED = 500, 3000
_STATUSES = [str(status) for status in Status]


@dataclass(frozen=True, slots=True)
class Query:
    """What the list is asked for; empty is everything."""

    repository: str = ""
    branch: str = ""
    status: str = ""
    before: int | None = None

    @property
    def filtered(self) -> bool:
        """Whether anything is left out."""
        return bool(self.repository or self.branch or self.status)


def pipelines(record: Record, site: Site, query: Query) -> Page:
    """Return the list of pipelines, newest first; what nobody works at says why."""
    repositories = sorted(record.redis.smembers("farm:repositories"))
    shown, older = _found(record, query, repositories)
    idle = [each.number for each in shown if _waits(each)]
    workers = record.workers() if idle else ()
    waiting = {number: record.waiting(number, workers) for number in idle}
    named = " ".join(word for word in (query.repository, query.branch, query.status) if word)
    title = f"Pipelines · {named}" if named else "Pipelines"
    body = render(
        "pipelines.html",
        site=site,
        title=title,
        query=query,
        pipelines=shown,
        versions={pipeline.number: version_of(pipeline, waiting.get(pipeline.number)) for pipeline in shown},
        waiting=waiting,
        older=older,
        searched=len(shown) < PER_PAGE and older is not None,
        repositories=repositories,
        statuses=_STATUSES,
        now=time.time(),
    )
    return Page(title, "pipelines", body)


def _waits(pipeline: Pipeline) -> bool:
    return not pipeline.status.final and all(job.status is not Status.RUNNING for job in pipeline.jobs)


def _found(record: Record, query: Query, repositories: Sequence[str]) -> tuple[list[Pipeline], int | None]:
    """Return a page of what is asked for, and the number below which the next page begins.

    A status has no index: after so many pipelines the search pauses, so that no page grows with the history.
    """
    status = query.status if query.status in _STATUSES else ""
    refs = meant(query.branch) if query.branch else []
    named = [query.repository] if query.repository else repositories if refs else []
    chosen: list[int] = []
    before, looked, size = query.before, 0, _LOOK if status else PER_PAGE + 1
    while True:
        some = record.numbers(repositories=named, refs=refs, before=before, limit=size)
        looked += len(some)
        states = record.statuses(some) if status else [status] * len(some)
        chosen += [number for number, state in zip(some, states, strict=True) if state == status]
        if len(chosen) > PER_PAGE:
            return record.read(chosen[:PER_PAGE]), chosen[PER_PAGE - 1]
        if len(some) < size:
            return record.read(chosen), None
        before = some[-1]
        if looked >= _MOST_LOOKED:
            return record.read(chosen), before
