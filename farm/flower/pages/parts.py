"""What several pages share: one job of a pipeline, a view of a log, what an open page is compared with."""

import zlib
from dataclasses import dataclass, field

from markupsafe import Markup

from farm.errors import Refused
from farm.flower.estimate import Usual
from farm.logs import LogChunk, Logs
from farm.pipeline import Job, Pipeline, Status


@dataclass(frozen=True, slots=True)
class LogView:
    """One step's log on a page: closed, whole, or an excerpt."""

    job: Job
    open: bool = False
    excerpt: bool = False
    words: str = ""
    anchor: str = ""
    blocks: list[Markup] = field(default_factory=list)
    until: float | None = None  # when the job usually ends


def until_of(usual: Usual, job: Job) -> float | None:
    """Return when a running job usually ends, or None."""
    if job.status is not Status.RUNNING or not job.started or job.name not in usual.jobs:
        return None
    return job.started + usual.jobs[job.name]


def job_of(found: Pipeline, step: str) -> Job:
    """Return one job; Refused when the pipeline has none of this name."""
    for job in found.jobs:
        if job.name == step:
            return job
    raise Refused(f"#{found.number} has no step {step!r}; it has {', '.join(names_of(found)) or 'none'}")


def names_of(found: Pipeline) -> list[str]:
    """Return the names of all jobs."""
    return [job.name for job in found.jobs]


def titled(found: Pipeline, status: Status, *what: str) -> str:
    """Return what a browser's tab says, the verdict first, for tabs are narrow. The script keeps it true."""
    return " · ".join((f"#{found.number} {status}", *what, f"{found.repository} {found.branch}"))


def version_of(*parts: object) -> str:
    """Return a short word that is another one as soon as any part is."""
    return f"{zlib.crc32(repr(parts).encode()):08x}"


def whole(logs: Logs, number: int, step: str) -> tuple[list[LogChunk], bool]:
    """Return a log as it is now, and whether nothing more comes."""
    chunks: list[LogChunk] = []
    cursor = "0"
    while (page := logs.read(number, step, cursor)).chunks:
        chunks += page.chunks
        cursor = page.cursor
    return chunks, page.complete
