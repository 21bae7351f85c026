"""Starts pipelines by the clock, as farm.yml says. Each time of a schedule starts one pipeline, however many look.

Every time has an identity of its own in the ledger, so that two dispatchers, or one that died half-way, make one
pipeline of it; which time was the last is kept in Redis. Of the times that nobody saw to while the farm was down, the
newest starts one pipeline. A schedule that is new or changed begins with its next time.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256

import structlog

from farm.errors import Errored, Refused
from farm.record.scripts import Base
from farm.record.values import dumps
from farm.settings import ScheduleSettings, Settings
from farm.trigger import Trigger

LOOK = 1.0  # seconds between two looks at the clock
AGAIN = 30.0  # seconds until a repository that cannot be read is asked again
KEY = "farm:schedules"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Kept:
    """The last time of a schedule (Unix seconds) that was seen to, and what came of it; of its first look nothing."""

    slot: int
    number: int | None = None
    problem: str | None = None


class Slots(Base):
    """Which time of each schedule was the last, kept in Redis."""

    def read(self) -> Mapping[str, Kept]:
        """Return what is kept, by the schedules' identities."""
        return {identity: Kept(**json.loads(row)) for identity, row in self.redis.hgetall(KEY).items()}

    def keep(self, identity: str, before: Kept | None, now: Kept) -> bool:
        """Keep another time in place of the one that was read; False if that is no longer the one that is kept."""
        return bool(self.scripts.run("schedule", identity, before.slot if before else "", dumps(asdict(now))))

    def drop(self, identity: str) -> None:
        """Forget a schedule that there is no more: if it ever comes again, it is a new one."""
        self.redis.hdel(KEY, identity)


@dataclass(slots=True)
class Schedules:
    """The loop of a dispatcher that looks at the clock."""

    settings: Callable[[], Settings]
    slots: Slots
    trigger: Trigger
    clock: Callable[[], float]
    _again: dict[str, float] = field(default_factory=dict)

    def look(self) -> float:
        """Start what is due, once; return when to look again."""
        wanted = {identity(name, each): (name, each) for name, each in self.settings().schedules.items()}
        kept, now = self.slots.read(), self.clock()
        for gone in kept.keys() - wanted.keys():
            self.slots.drop(gone)
        for ident, (name, schedule) in wanted.items():
            before = kept.get(ident)
            if before is None:
                self.slots.keep(ident, None, Kept(int(now)))
            elif now >= self._again.get(ident, 0.0) and (slot := schedule.due(before.slot, now)) is not None:
                self._start(ident, name, schedule, before, int(slot))
        return LOOK

    def _start(self, ident: str, name: str, schedule: ScheduleSettings, before: Kept, slot: int) -> None:
        try:
            push, entry = self.trigger.enter(
                schedule.repository,
                schedule.ref,
                f"schedule {name}",
                variables=schedule.variables,
                identity=f"schedule-{ident}-{slot}",
            )
        except Refused as refusal:
            if self.slots.keep(ident, before, Kept(slot, problem=str(refusal))):
                log.warning("schedule.refused", schedule=name, error=str(refusal))
            return
        except Errored as error:
            if ident not in self._again:
                log.warning("schedule.waits", schedule=name, error=str(error))
            self._again[ident] = self.clock() + AGAIN
            return
        self._again.pop(ident, None)
        self.slots.keep(ident, before, Kept(slot, entry.number))
        self.trigger.intake.take(push.repository, entry.number)


def identity(name: str, schedule: ScheduleSettings) -> str:
    """Return what a schedule is known by: one that says anything else is another."""
    return sha256(dumps([name, schedule.model_dump(mode="json")]).encode()).hexdigest()[:16]
