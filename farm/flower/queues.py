"""Rows of the Queues page: what waits where, who serves it, what was finished lately. It reads the record only."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from farm.pipeline import STAGES
from farm.record import Record, WorkerInfo
from farm.record.views import SILENCE

# How far back the count of finished steps looks.
WINDOW = 60.0
_NEWEST = 200
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue; `finished` counts the steps of the last minute, `labels` are what a worker must have to serve it."""

    name: str
    depth: int
    oldest: float | None
    running: int
    finished: int
    consumers: Sequence[str]
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One worker of the last day."""

    name: str
    host: str
    slots: int
    busy: Sequence[tuple[str, str]]  # pipeline's number, step
    labels: Sequence[str]
    seen: float
    lost: bool


def queue_rows(record: Record) -> list[QueueRow]:
    """Return every known queue, those of the three stages always."""
    finished = _finished(record)
    known = {queue.name: queue for queue in record.queues()}
    rows = []
    for name in [*STAGES, *sorted(set(known) - set(STAGES))]:
        queue = known.get(name)
        rows.append(
            QueueRow(
                name=name,
                depth=queue.depth if queue else 0,
                oldest=queue.oldest if queue else None,
                running=queue.running if queue else 0,
                finished=finished[name],
                consumers=queue.consumers if queue else (),
                labels=name.split("+")[1:],
            )
        )
    return rows


def worker_rows(record: Record) -> list[WorkerRow]:
    """Return the workers that were seen within the last day."""
    now = time.time()
    return [_row(worker, now) for worker in record.workers(silence=_DAY)]


def _row(worker: WorkerInfo, now: float) -> WorkerRow:
    busy = [(number.removeprefix("#"), step) for number, _, step in (each.partition(" ") for each in worker.busy)]
    return WorkerRow(
        name=worker.name,
        host=worker.host,
        slots=worker.slots,
        busy=busy,
        labels=worker.labels,
        seen=worker.seen,
        lost=now - worker.seen > SILENCE,
    )


def _finished(record: Record) -> Counter[str]:
    since = time.time() - WINDOW
    newest = record.pipelines(limit=_NEWEST)
    return Counter(
        stage.name
        for pipeline in newest
        for stage in pipeline.stages
        for job in stage.jobs
        if job.started and job.finished and job.finished > since
    )
