"""The life of a step: opened, claimed, renewed, committed or given back. It never touches the broker or an engine."""

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis.exceptions import (
    ConnectionError as RedisConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    TimeoutError as RedisTimeoutError,
)

from farm.errors import Canceled, LeaseLost, Refused
from farm.pipeline import Status, Step
from farm.record.scripts import Base
from farm.record.values import SCHEMA, Claim, dumps

COMMIT_PATIENCE = 600.0  # s, how long a commit is repeated while Redis is away
ATTEMPTS = 3  # faults of the farm until a step ends `errored`
AWAY = (RedisConnectionError, RedisTimeoutError, OutOfMemoryError, ReadOnlyError)


class Steps(Base):
    """Open, claim, renew, commit, give back."""

    def open(
        self,
        number: int,
        *,
        definition: str,
        steps: Sequence[Step],
        image_repository: str,
        reason: str | None = None,
        supersede: bool = False,
        protected: bool = False,
        timeout: float | None = None,
    ) -> bool:
        """Create the steps of a pipeline and make the first ones ready; False if it was open or over already.

        A reason stays on the pipeline when it passes ("nothing was tested, so nothing was released"). With `supersede`
        older pipelines of the same ref end, all but those whose release has begun; it is False, too, when a newer
        pipeline did that to this one. `protected` lets its steps have protected secrets. So many seconds
        after its first step began it ends as failed, unless its release has begun.
        """
        rows = [
            {"name": step.name, "stage": step.stage, "needs": list(step.needs), "queue": step.queue or step.stage}
            | ({"skip": step.skip} if step.skip else {})
            for step in steps
        ]
        for row in rows:
            if any(letter.isspace() for letter in str(row["name"])) or not row["name"]:
                raise Refused(f"{row['name']!r} is no name for a step; use letters without blanks")
        told = (definition, image_repository, reason or "", self.lease, int(supersede), int(protected), timeout or 0)
        answer = self.scripts.run("open", number, *told, *map(dumps, rows))
        return bool(answer)

    def claim(self, number: int, step: str, worker: str) -> Claim:
        """Ask for a step; a lost reply is harmless, the same call is answered again with the same fence."""
        asked = time.monotonic()
        answer = json.loads(self.scripts.run("claim", number, step, worker, self.lease, SCHEMA, uuid.uuid4().hex))
        answer["lease_until"] = asked + self.lease
        return Claim(number=number, step=step, worker=worker, **answer)

    def renew(self, claim: Claim) -> float:
        """Prolong the lease, return until when it holds (`time.monotonic()`); expired, it does if nobody claimed.

        Raises LeaseLost or Canceled; errors of the connection pass through, the worker then works on until lease_until.
        """
        asked = time.monotonic()
        judge(claim, self.scripts.run("renew", claim.number, claim.step, claim.fence, self.lease))
        return asked + self.lease

    def commit(
        self, claim: Claim, status: Status, *, reason: str | None = None, result: Mapping[str, Any] | None = None
    ) -> tuple[Step, ...]:
        """End the step with a final status and return the steps that this made ready; safe to repeat.

        It is repeated for ten minutes while Redis is away. Raises LeaseLost or Canceled when the work counts no more.
        """
        if not status.final or status is Status.CANCELED:
            raise ValueError(f"a step is not committed as {status}")
        answer = patiently(
            lambda: self.scripts.run(
                "commit",
                claim.number,
                claim.step,
                claim.fence,
                status,
                reason or "",
                dumps(dict(result or {})),
                self.lease,
            )
        )
        judge(claim, answer[0])
        return tuple(step_of(row) for row in json.loads(answer[1]))

    def give_back(self, claim: Claim, reason: str, *, counted: bool = True) -> Status:
        """Hand the step back after a fault of the farm: PENDING (tried again after a pause) or, at last, ERRORED.

        Not counted is what a worker does that shuts down: the step is ready at once and nothing was wrong with it. It
        waits no longer than a lease for Redis, for then the step is taken over anyway.
        """
        patience = COMMIT_PATIENCE if counted else self.lease
        answer = patiently(
            lambda: self.scripts.run(
                "give_back", claim.number, claim.step, claim.fence, reason, int(counted), ATTEMPTS
            ),
            patience,
        )
        judge(claim, answer[0])
        return Status(answer[1])


def step_of(row: Mapping[str, Any]) -> Step:
    """Return a step from what a script says about it."""
    return Step(row["name"], row["stage"], tuple(row["needs"]), row["queue"], priority=row["priority"])


def judge(claim: Claim, answer: str) -> None:
    """Raise what a script's refusal means."""
    if answer == "canceled":
        raise Canceled(f"#{claim.number} was canceled or superseded while {claim.step} ran")
    if answer == "lost":
        raise LeaseLost(f"#{claim.number} {claim.step} is no longer owned by {claim.worker}; drop the work")


def patiently(call: Callable[[], Any], patience: float = COMMIT_PATIENCE) -> Any:
    """Repeat a call while Redis is away; the last error passes through."""
    deadline = time.monotonic() + patience
    pause = 0.05
    while True:
        try:
            return call()
        except AWAY:
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)
            pause = min(pause * 2, 2.0)
