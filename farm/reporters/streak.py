"""How a branch stands over several pipelines: good or bad, and since when. It says nothing about how that is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from farm.pipeline import Pipeline, Status

BAD = (Status.FAILED, Status.ERRORED)
KEPT = 180 * 86400  # seconds for which it is known how a branch stood that nobody pushes to any more


@dataclass(frozen=True, slots=True)
class Streak:
    """Since when and for how many pushes a branch has been good or bad; `number` is its newest pipeline."""

    number: int
    bad: bool
    since: float
    pushes: int = 1

    @classmethod
    def read(cls, fields: Mapping[Any, Any]) -> Self | None:
        """Return the streak that `fields` were made of, None for no fields."""
        if not fields:
            return None
        number, bad, since, pushes = (float(fields[name]) for name in ("number", "bad", "since", "pushes"))
        return cls(int(number), bad > 0, since, int(pushes))

    def fields(self) -> dict[Any, float]:
        """Return the streak as the fields of a Redis hash."""
        return {"number": self.number, "bad": int(self.bad), "since": self.since, "pushes": self.pushes}


def follow(streak: Streak | None, pipeline: Pipeline, when: str) -> tuple[Streak | None, bool]:
    """Return the branch's streak with this pipeline in it, and whether it is worth a message under the rule `when`.

    A pipeline that was overtaken by a newer one says nothing about how the branch stands; one that was retried is no
    other push.
    """
    bad = pipeline.status in BAD
    if when == "never" or (not bad and pipeline.status is not Status.PASSED):
        return streak, when == "always"
    if streak and pipeline.number < streak.number:
        return streak, when == "always" or (when == "failure" and bad)
    changed = streak.bad is not bad if streak else bad
    finished = pipeline.finished or pipeline.created
    if streak is None or changed:
        after = Streak(pipeline.number, bad, finished)
    else:
        after = Streak(pipeline.number, bad, streak.since, streak.pushes + (pipeline.number > streak.number))
    return after, when == "always" or (when == "failure" and bad) or (when == "change" and changed)
