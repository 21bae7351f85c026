"""The list of pipelines, filtered and page by page."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from farm.flower.pages.parts import version_of
from farm.flower.site import Page, Site, render
from farm.pipeline import Pipeline, Status
from farm.record import Record

PER_PAGE = 30

_LOOK, _MOST_LOOKED = 100, 1000
_KINDS = ("heads", "tags")
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
    """Return the list of pipelines, newest first."""
    repositories = sorted(record.redis.smembers("farm:repositories"))
    shown, older = _found(record, query, repositories)
    body = render(
        "pipelines.html",
        site=site,
        title="Pipelines",
        query=query,
        pipelines=shown,
        versions={pipeline.number: version_of(pipeline) for pipeline in shown},
        older=older,
        searched=len(shown) < PER_PAGE and older is not None,
        repositories=repositories,
        statuses=_STATUSES,
        now=time.time(),
    )
    return Page("Pipelines", "pipelines", body)


def _found(record: Record, query: Query, repositories: Sequence[str]) -> tuple[list[Pipeline], int | None]:
    """Return a page of what is asked for, and the number below which the next page begins.

    A status has no index: after so many pipelines the search pauses, so that no page grows with the history.
    """
    status = Status(query.status) if query.status in _STATUSES else None
    chosen: list[Pipeline] = []
    before, looked = query.before, 0
    size = PER_PAGE + 1 if status is None else _LOOK
    while True:
        some = _newest(record, query, repositories, before, size)
        looked += len(some)
        chosen += [pipeline for pipeline in some if status in (None, pipeline.status)]
        if len(chosen) > PER_PAGE:
            return chosen[:PER_PAGE], chosen[PER_PAGE - 1].number
        if len(some) < size:
            return chosen, None
        before = some[-1].number
        if looked >= _MOST_LOOKED:
            return chosen, before


def _newest(record: Record, query: Query, repositories: Sequence[str], before: int | None, size: int) -> list[Pipeline]:
    if not query.branch:
        return record.pipelines(repository=query.repository or None, before=before, limit=size)
    refs = [query.branch] if query.branch.startswith("refs/") else [f"refs/{kind}/{query.branch}" for kind in _KINDS]
    found = [
        pipeline
        for repository in ([query.repository] if query.repository else repositories)
        for ref in refs
        for pipeline in record.pipelines(repository=repository, ref=ref, before=before, limit=size)
    ]
    return sorted(found, key=lambda pipeline: -pipeline.number)[:size]
