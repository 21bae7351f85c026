"""What a job's script leaves for the farm to read: how its tests went, how much they cover. It judges neither."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from farm.definition import Job
from workers import coverage as cobertura, junit
from workers.workspace import Workspace

LIMIT = 32 << 20  # bytes of all reports of a kind together
T = TypeVar("T")


def tests(work: Workspace, job: Job, container: str) -> junit.Report | None:
    """Return what became of its tests, or None where nothing says it."""
    hide = work.hide if work.secrets else None
    return _read(work, container, job.junit, "JUnit", lambda files: junit.read(files, hide))


def coverage(work: Workspace, job: Job, container: str) -> cobertura.Coverage | None:
    """Return how much its tests have covered, or None where nothing says it."""
    return _read(work, container, job.coverage, "Cobertura", cobertura.read)


def _read(
    work: Workspace, container: str, patterns: Sequence[str], kind: str, parse: Callable[[Iterable[bytes]], T]
) -> T | None:
    """Read what matches; that it is missing, or cannot be read, is told and does not count."""
    if not patterns:
        return None
    files = work.engine.read(container, patterns, limit=LIMIT, check=work.check)
    if not files:
        work.log.line(f"warning: the script left no file that matches {', '.join(patterns)}")
        return None
    try:
        return parse(file.content for file in files)
    except ValueError as error:
        work.log.line(f"warning: a report is no {kind} XML: {error}")
        return None
