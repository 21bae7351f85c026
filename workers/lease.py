"""A claim kept alive by a thread while its stage works. It ends no work itself: the stage asks and stops.

While Redis is away the work goes on; but once a whole lease went by without a renewal somebody else may own the step,
so what is seen from outside is started only while at least half a lease is left for it.
"""

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from redis.exceptions import RedisError

from farm.errors import Errored, LeaseLost
from farm.record import Claim, Record

_PATIENCE = 600.0  # seconds that an outside effect waits for Redis to come back
_held: "set[Lease]" = set()
_ending = False


class Stopped(LeaseLost):
    """This process was told to end: stop the work and hand the step back, nothing is wrong with it."""


def stop_all() -> bool:
    """Let the work of this process stop at its next check, what is only being claimed too; False when none is held.

    Fit for a signal handler.
    """
    global _ending  # noqa: PLW0603
    _ending = True
    held = tuple(_held)
    for lease in held:
        lease.stop()
    return bool(held)


class Lease:
    """Renews every quarter of the lease, from entering to leaving."""

    def __init__(self, record: Record, claim: Claim) -> None:
        self._record = record
        self._claim = claim
        self._until = claim.lease_until
        self._lost: LeaseLost | None = None
        self._changed = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._keep, name=f"lease #{claim.number} {claim.step}", daemon=True)

    def check(self) -> None:
        """Raise LeaseLost or Canceled when the work counts no more."""
        if self._lost is not None:
            raise self._lost

    def ask(self) -> None:
        """Raise LeaseLost or Canceled by the record's own word, which `check` hears with the next renewal only."""
        with suppress(RedisError):
            self._record.renew(self._claim)

    def guard(self) -> None:
        """Return when an effect of at most half a lease may be started, at once as a rule; raise as `check` does."""
        deadline = time.monotonic() + _PATIENCE
        with self._changed:
            while self._lost is None and time.monotonic() >= self._until - self._record.lease / 2:
                if time.monotonic() >= deadline:
                    raise Errored(f"Redis was away for {_PATIENCE:.0f} s; nothing was started without its word")
                self._changed.wait(0.5)
        self.check()

    def stop(self) -> None:
        """Let every later check raise Stopped. It takes no lock, for the thread that it interrupts may hold it."""
        self._lost = self._lost or Stopped("the worker shuts down")

    def __enter__(self) -> Self:
        _held.add(self)
        if _ending:
            self.stop()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _held.discard(self)
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._thread.join(self._record.lease)

    def _keep(self) -> None:
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._over, self._record.lease / 4):
                    return
            try:
                until = self._record.renew(self._claim)
            except LeaseLost as error:
                with self._changed:
                    self._lost = self._lost or error
                    self._changed.notify_all()
                return
            except RedisError:
                continue  # away; whether it matters is for `guard` to say
            with self._changed:
                self._until = until
                self._changed.notify_all()
