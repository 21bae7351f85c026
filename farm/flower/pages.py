"""The pages, each a function of the record and the logs. They know no web server; the frame around is not theirs."""

import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from farm.errors import Refused
from farm.flower.lines import Line, Position, blocks, first_error, items, lines
from farm.flower.queues import queue_rows, worker_rows
from farm.flower.site import Page, Site, render
from farm.logs import LogChunk, Logs
from farm.pipeline import Job, Pipeline, Status
from farm.record import Record

PER_PAGE = 30
# A page of a log holds so many lines; a browser stays quick with them.
MOST_LINES = 50_000
# What a pipeline's page shows of a failed stage's log: a little before the first error, and what follows.
BEFORE, AFTER = 8, 60
LIVE_BYTES = 256 << 10

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


@dataclass(frozen=True, slots=True)
class LogView:
    """One step's log on a page: closed, whole, or an excerpt."""

    job: Job
    open: bool = False
    excerpt: bool = False
    words: str = ""
    anchor: str = ""
    blocks: list[Markup] = field(default_factory=list)


def pipelines(record: Record, site: Site, query: Query) -> Page:
    """Return the list of pipelines, newest first."""
    status = Status(query.status) if query.status in _STATUSES else None
    found = record.pipelines(
        repository=query.repository or None,
        ref=_full(query.branch) if query.branch else None,
        status=status,
        before=query.before,
        limit=PER_PAGE + 1,
    )
    shown = found[:PER_PAGE]
    body = render(
        "pipelines.html",
        site=site,
        title="Pipelines",
        query=query,
        pipelines=shown,
        versions={pipeline.number: _version(pipeline) for pipeline in shown},
        older=shown[-1].number if len(found) > PER_PAGE else None,
        repositories=sorted(record.redis.smembers("farm:repositories")),
        statuses=_STATUSES,
        now=time.time(),
    )
    return Page("Pipelines", "pipelines", body)


def pipeline(record: Record, logs: Logs, site: Site, number: int, problem: str = "") -> Page:
    """Return one pipeline's page: what is wrong first, then the stages, then their logs."""
    found = record.pipeline(number)
    waiting = None if found.status.final else record.waiting(number)
    now = time.time()
    title = f"#{number} {found.subject}".strip()
    body = render(
        "pipeline.html",
        site=site,
        title=title,
        pipeline=found,
        problem=problem,
        version=_version(found, waiting),
        steps=_steps(found),
        state=_state(found, waiting, site, now),
        shown=[_view(logs, found, job) for job in _failed_first(found)],
        now=now,
    )
    return Page(title, "pipelines", body)


def log(record: Record, logs: Logs, site: Site, number: int, step: str, *, start: int | None = None) -> Page:
    """Return one step's log, at most MOST_LINES lines of it: from a line on, or the last ones."""
    found = record.pipeline(number)
    job = _job(found, step)
    chunks, complete = _whole(logs, number, step)
    everything = list(lines(chunks))
    began = everything[0].time if everything else 0.0
    first = max(len(everything) - MOST_LINES, 0)
    if start is not None:
        first = next((at for at, line in enumerate(everything) if line.number >= start), first)
    shown = everything[first : first + MOST_LINES]
    later = everything[first + MOST_LINES].number if first + MOST_LINES < len(everything) else None
    bad = job.status in (Status.FAILED, Status.ERRORED) and shown
    html, style = items(step, shown, began, Position().style)
    position = Position(chunks[-1].cursor, shown[-1].number + 1, began, style) if shown else Position()
    title = f"#{number} {step}"
    body = render(
        "log.html",
        site=site,
        title=title,
        pipeline=found,
        version=_version(found, None),
        steps=_steps(found),
        view=LogView(job, blocks=blocks(html)),
        position=str(position),
        complete=later is not None or complete,
        earlier=shown[0].number - 1 if first else 0,
        later=later,
        failed_at=shown[first_error(shown)].number if bad else None,
        now=time.time(),
    )
    return Page(title, "pipelines", body)


def queues(record: Record, site: Site) -> Page:
    """Return the page of queues and workers."""
    rows = queue_rows(record)
    body = render(
        "queues.html",
        site=site,
        title="Queues",
        queues=rows,
        unserved=[row for row in rows if not row.consumers],
        workers=worker_rows(record),
    )
    return Page("Queues", "queues", body)


def problem(site: Site, title: str, sentence: str) -> Page:
    """Return a page that says why there is no other one."""
    return Page(title, "pipelines", render("problem.html", site=site, title=title, sentence=sentence))


def live(
    record: Record, logs: Logs, site: Site, number: int, *, version: str, positions: Mapping[str, Position]
) -> dict[str, Any] | None:
    """Return what changed on a page since its version and positions, or None if nothing did."""
    found = record.pipeline(number)
    waiting = None if found.status.final else record.waiting(number)
    newest = _version(found, waiting)
    news = {}
    for step, position in positions.items():
        if any(step == job.name for job in _jobs(found)):
            part = _more(logs, number, step, position)
            if part["html"] or part["complete"]:
                news[step] = part
    if newest == version and not news:
        return None
    now = time.time()
    summaries = (render("summary.html", site=site, view=LogView(job), now=now) for job in _jobs(found))
    return {
        "version": newest,
        "html": None if newest == version else _state(found, waiting, site, now) + Markup("").join(summaries),
        "steps": " ".join(_steps(found)),
        "final": found.status.final,
        "logs": news,
    }


def _more(logs: Logs, number: int, step: str, position: Position) -> dict[str, Any]:
    page = logs.read(number, step, position.cursor, LIVE_BYTES)
    new = list(lines(page.chunks, position.line))
    began = position.began or (new[0].time if new else 0.0)
    html, style = items(step, new, began, position.style)
    after = Position(page.cursor, new[-1].number + 1 if new else position.line, began, style)
    return {"html": Markup("").join(html), "position": str(after), "complete": page.complete and not page.chunks}


def _state(found: Pipeline, waiting: str | None, site: Site, now: float) -> Markup:
    failing = [(job, job.result["tests"]) for job in _jobs(found) if (job.result.get("tests") or {}).get("failing")]
    return render(
        "state.html", site=site, pipeline=found, waiting=waiting, failing=failing, run_line=_run_line(found), now=now
    )


def _run_line(found: Pipeline) -> str | None:
    if not found.image:
        return None
    image = f"{found.image.partition('@')[0]}:{found.released[0]}" if found.released else found.image
    return f"docker run -d -P {image}"


def _view(logs: Logs, found: Pipeline, job: Job) -> LogView:
    if job.status in (Status.FAILED, Status.ERRORED):
        everything = list(lines(_whole(logs, found.number, job.name)[0]))
        at = first_error(everything)
        shown = everything[max(at - BEFORE, 0) : at + AFTER]
        return _excerpt(job, shown, len(everything), f"#{job.name}-L{everything[at].number}" if everything else "")
    return LogView(job, open=job.status is Status.RUNNING)


def _excerpt(job: Job, shown: list[Line], total: int, anchor: str) -> LogView:
    if not shown:
        return LogView(job, excerpt=True, words="nothing was written")
    html, _ = items(job.name, shown, shown[0].time, Position().style)
    whole = len(shown) == total
    said = f"{total:,} lines" if whole else f"lines {shown[0].number:,} to {shown[-1].number:,} of {total:,}"
    return LogView(job, open=True, excerpt=True, words=said, anchor=anchor, blocks=blocks(html))


def _whole(logs: Logs, number: int, step: str) -> tuple[list[LogChunk], bool]:
    chunks: list[LogChunk] = []
    cursor = "0"
    while (page := logs.read(number, step, cursor)).chunks:
        chunks += page.chunks
        cursor = page.cursor
    return chunks, page.complete


def _jobs(found: Pipeline) -> Iterable[Job]:
    return (job for stage in found.stages for job in stage.jobs)


def _job(found: Pipeline, step: str) -> Job:
    for job in _jobs(found):
        if job.name == step:
            return job
    raise Refused(f"#{found.number} has no step {step!r}; it has {', '.join(_steps(found)) or 'none'}")


def _steps(found: Pipeline) -> list[str]:
    return [job.name for job in _jobs(found)]


def _failed_first(found: Pipeline) -> list[Job]:
    bad = (Status.FAILED, Status.ERRORED)
    shown = [job for job in _jobs(found) if job.started or not job.status.final]
    return sorted(shown, key=lambda job: job.status not in bad)


def _full(branch: str) -> str:
    return branch if branch.startswith("refs/") else f"refs/heads/{branch}"


def _version(*parts: object) -> str:
    return f"{zlib.crc32(repr(parts).encode()):08x}"
