"""Rows about queues and workers: what waits where, who serves it, who holds what. It reads the record only."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from farm.pipeline import STAGES
from farm.record import Machine, Record, WorkerInfo
from farm.record.views import SILENCE

# Over so many minutes the rate of finished steps is taken.
_MINUTES = 5
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue; `finished` is how many steps a minute lately, `labels` are what a worker must have to serve it."""

    name: str
    depth: int
    oldest: float | None
    running: int
    finished: float
    consumers: Sequence[str]
    why: str | None  # nobody takes it
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
    closed: str | None  # why it takes no work
    drained: bool  # by a person
    machine: Machine | None


def queue_rows(record: Record) -> list[QueueRow]:
    """Return every known queue, those of the three stages always."""
    known = {queue.name: queue for queue in record.queues()}
    names = [*STAGES, *sorted(set(known) - set(STAGES))]
    loads = record.load(names, "hour")
    rows = []
    for name in names:
        queue = known.get(name)
        rows.append(
            QueueRow(
                name=name,
                depth=queue.depth if queue else 0,
                oldest=queue.oldest if queue else None,
                running=queue.running if queue else 0,
                finished=sum(slot.finished for slot in loads[name][-_MINUTES:]) / _MINUTES,
                consumers=queue.consumers if queue else (),
                why=queue.why if queue else f"no worker serves `{name}`",
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
        closed=worker.closed,
        drained=worker.drained,
        machine=worker.machine,
    )


@dataclass(frozen=True, slots=True)
class HostRow:
    """One machine: its slots, and how many of them are busy."""

    host: str
    slots: int
    busy: int
    workers: int


def host_rows(workers: Sequence[WorkerRow]) -> list[HostRow]:
    """Return the machines of those workers that are there, by name."""
    there = sorted((worker for worker in workers if not worker.lost), key=lambda worker: worker.host)
    rows = []
    for host, group in groupby(there, key=lambda worker: worker.host):
        members = list(group)
        slots, busy = sum(each.slots for each in members), sum(len(each.busy) for each in members)
        rows.append(HostRow(host, slots, busy, len(members)))
    return rows


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A step that runs on a worker which is not heard of any more."""

    number: int
    step: str
    worker: str
    since: float
    note: str


def held(record: Record, workers: Sequence[WorkerRow]) -> list[HeldRow]:
    """Return the steps that lost workers hold; the reaper offers each to others once its lease has run out."""
    there = {worker.name for worker in workers if not worker.lost}
    return [
        HeldRow(step.number, step.step, step.worker, step.started, step.note)
        for step in record.running()
        if step.worker not in there
    ]
