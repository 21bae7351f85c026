"""How busy the queues were: counted when steps and pipelines end, read here. Nothing of it grows with the history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from farm.record import reading
from farm.record.scripts import Base

Span = Literal["hour", "day", "week"]
# Seconds of a slot, and how many slots there are; farm/lua/counts.lua writes them.
SPANS: Mapping[Span, tuple[int, int]] = {"hour": (60, 60), "day": (1800, 48), "week": (10800, 56)}
LAST = 37  # the bucket of what takes longer than all bounds


def bound(bucket: int) -> float:
    """Return how many seconds a bucket ends at; the last one has no end and gets that of the one before."""
    return float(2 ** (min(bucket, LAST - 1) / 2) / 16)


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took, in buckets: bucket -> how often."""

    buckets: Mapping[int, int]

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.buckets.values())

    def quantile(self, part: float) -> float | None:
        """Return the time in seconds that this part of them did not exceed, to a fifth; None when there are none."""
        rank = part * self.count
        below = 0
        for bucket, many in sorted(self.buckets.items()):
            if below + many >= rank and many:
                low = bound(bucket - 1) if bucket else 0.0
                return low + (bound(bucket) - low) * (rank - below) / many
            below += many
        return None

    def __add__(self, other: "Times") -> "Times":
        keys = self.buckets.keys() | other.buckets.keys()
        return Times({key: self.buckets.get(key, 0) + other.buckets.get(key, 0) for key in keys})


@dataclass(frozen=True, slots=True)
class Slot:
    """What one queue did from a time on: steps that finished, how long they had waited and run."""

    at: float
    finished: int
    waited: Times
    ran: Times


@dataclass(frozen=True, slots=True)
class Running:
    """A step that a worker has, since when (Unix s), and what is said of it meanwhile."""

    number: int
    step: str
    worker: str
    started: float
    note: str


class Loads(Base):
    """Read the counters, and what runs now."""

    def running(self) -> list[Running]:
        """Return the steps that run, the oldest first; there are no more than the farm has slots."""
        queues = list(self.redis.smembers("farm:queues"))
        with self.redis.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.zrange(f"farm:running:{queue}", 0, -1)
            members = [str(member).partition(" ") for found in pipe.execute() for member in found]
            for number, _, step in members:
                pipe.hmget(f"farm:pipeline:{number}:step:{step}", "status", "worker", "started", "note")
            rows = pipe.execute()
        found = [
            Running(int(number), step, worker or "?", float(started or 0), note or "")
            for (number, _, step), (status, worker, started, note) in zip(members, rows, strict=True)
            if status == "running"
        ]
        return sorted(found, key=lambda each: each.started)

    def load(self, queues: Sequence[str], span: Span) -> dict[str, list[Slot]]:
        """Return for each queue the slots of the last hour, day or week, the oldest first."""
        width, slots = SPANS[span]
        start, *rows = self.scripts.run("load", width, slots, *queues)
        return {
            queue: [_slot(int(start) + at * width, reading.fields(flat)) for at, flat in enumerate(found)]
            for queue, found in zip(queues, rows, strict=True)
        }

    def counts(self) -> dict[tuple[str, ...], float]:
        """Return the totals since the farm began, by the words of their names (see farm/lua/counts.lua)."""
        return {tuple(name.split(" ")): float(value) for name, value in self.redis.hgetall("farm:counts").items()}


def _slot(at: float, row: Mapping[str, str]) -> Slot:
    def times(letter: str) -> Times:
        return Times({int(name[1:]): int(value) for name, value in row.items() if name[0] == letter})

    return Slot(at, int(row.get("n", 0)), times("w"), times("r"))
