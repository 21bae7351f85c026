"""One pipeline's page: what is wrong first, then the stages, then their logs."""

import time

from farm.flower.estimate import Usual, usual
from farm.flower.lines import Line, Position, blocks, first_error, items, lines
from farm.flower.pages.parts import LogView, names_of, titled, until_of, version_of, whole
from farm.flower.pages.state import state
from farm.flower.site import Page, Site, render
from farm.logs import Logs
from farm.pipeline import Job, Pipeline, Status
from farm.record import Record

# What the page shows of a failed stage's log: a little before the first error, and what follows.
BEFORE, AFTER = 8, 60
# Of so many, and so many running ones are open; the logs of others are read when they are opened.
EXCERPTS = OPEN = 20


def pipeline(record: Record, logs: Logs, site: Site, number: int, problem: str = "") -> Page:
    """Return one pipeline's page: what is wrong first, then the stages, then their logs."""
    found = record.pipeline(number)
    waiting = None if found.status.final else record.waiting(number)
    now = time.time()
    expected = usual(record, found) if found.status is Status.RUNNING else Usual()
    title = titled(found, found.status)
    body = render(
        "pipeline.html",
        site=site,
        title=title,
        pipeline=found,
        problem=problem,
        version=version_of(found, waiting),
        steps=names_of(found),
        state=state(record, found, waiting, site, now),
        shown=[_view(logs, found, job, expected, at) for at, job in enumerate(_failed_first(found))],
        now=now,
    )
    return Page(title, "pipelines", body)


def _view(logs: Logs, found: Pipeline, job: Job, expected: Usual, place: int) -> LogView:
    if job.status in (Status.FAILED, Status.ERRORED) and place < EXCERPTS:
        everything = list(lines(whole(logs, found.number, job.name)[0]))
        at = first_error(everything)
        shown = everything[max(at - BEFORE, 0) : at + AFTER]
        return _excerpt(job, shown, len(everything), f"#{job.name}-L{everything[at].number}" if everything else "")
    return LogView(job, open=job.status is Status.RUNNING and place < OPEN, until=until_of(expected, job))


def _excerpt(job: Job, shown: list[Line], total: int, anchor: str) -> LogView:
    if not shown:
        return LogView(job, excerpt=True, words="nothing was written")
    html, _ = items(job.name, shown, shown[0].time, Position().style)
    whole = len(shown) == total
    said = f"{total:,} lines" if whole else f"lines {shown[0].number:,} to {shown[-1].number:,} of {total:,}"
    return LogView(job, open=True, excerpt=True, words=said, anchor=anchor, blocks=blocks(html))


def _failed_first(found: Pipeline) -> list[Job]:
    shown = [job for job in found.jobs if job.started or not job.status.final]
    return sorted(shown, key=lambda job: (not job.broken, not job.allowed))
