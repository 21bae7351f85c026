"""How long a pipeline and its jobs usually take: the median of the newest that passed. It promises nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from farm.pipeline import Pipeline, Status
from farm.record import Record

_LOOKED, _ENOUGH = 20, 5


@dataclass(frozen=True, slots=True)
class Usual:
    """Seconds from start to end, of the pipeline and by job; what is not known is left out."""

    pipeline: float | None = None
    jobs: Mapping[str, float] = field(default_factory=dict)


def usual(record: Record, found: Pipeline) -> Usual:
    """Look at earlier pipelines of the ref, or else of the repository."""
    for ref in (found.ref, None):
        earlier = record.pipelines(repository=found.repository, ref=ref, before=found.number, limit=_LOOKED)
        passed = [each for each in earlier if each.status is Status.PASSED][:_ENOUGH]
        if passed:
            return _of(passed)
    return Usual()


def _of(passed: list[Pipeline]) -> Usual:
    jobs: dict[str, list[float]] = {}
    for pipeline in passed:
        for job in pipeline.jobs:
            if job.started and job.finished and job.status is Status.PASSED:
                jobs.setdefault(job.name, []).append(job.finished - job.started)
    whole = [pipeline.finished - pipeline.started for pipeline in passed if pipeline.started and pipeline.finished]
    return Usual(median(whole) if whole else None, {name: median(spans) for name, spans in jobs.items()})
