"""Takes up the pushes of the ledger: those that come in now, and those that were left behind.

The pushes of one repository are dispatched one after the other, so that they do not fetch into one mirror side by side.
"""

from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

import structlog

from farm import git
from farm.answer import Outcome
from farm.dispatch import Dispatcher
from farm.errors import Refused
from farm.lanes import Lanes

THREADS = 4  # for the repositories of one host
GRACE = 2.0  # seconds in which a push belongs to the request that brought it
LOOK = 2.0  # seconds between two looks for pushes that were left behind
LONGEST = 60.0  # seconds between two tries of a repository that cannot be read

log = structlog.get_logger()


@dataclass(slots=True)
class Intake:
    """The queue in front of the dispatcher, in this process only: what is lost with it is found in the ledger."""

    dispatcher: Dispatcher
    lanes: Lanes[Outcome] = field(default_factory=lambda: Lanes(THREADS))
    _hosts: dict[str, str] = field(default_factory=dict)
    _tries: dict[int, int] = field(default_factory=dict)
    _next: dict[int, float] = field(default_factory=dict)

    def take(self, repository: str, number: int) -> Future[Outcome]:
        """Dispatch a push as soon as its repository is free; the future gives what became of it.

        Repositories of one host share some threads, so that a host that hangs holds up only its own.
        """
        return self.lanes.submit(repository, number, lambda: self._dispatch(number), self.host(repository))

    def host(self, repository: str) -> str:
        """Return the host of a repository; Redis is asked once for it."""
        if repository not in self._hosts:
            self._hosts[repository] = git.host(self.dispatcher.ledger.repository(repository).url)
        return self._hosts[repository]

    def look(self) -> float:
        """Take up what nobody has, each with a growing pause after a failure; return when to look again."""
        now = monotonic()
        left = self.dispatcher.ledger.undispatched(GRACE)
        for number in left:
            if self._next.get(number, 0.0) <= now:
                with suppress(Refused):  # forgotten meanwhile
                    self.take(self.dispatcher.ledger.push(number).repository, number)
        for number in set(self._tries) - set(left):
            self._forget(number)
        return LOOK

    def close(self) -> None:
        """Take up nothing more."""
        self.lanes.close()

    def _dispatch(self, number: int) -> Outcome:
        try:
            outcome = self.dispatcher.dispatch(number)
        except Refused:  # forgotten long ago
            self._forget(number)
            raise
        except Exception as error:
            self._failed(number, repr(error))
            raise
        if not outcome.status.final and not outcome.stages:
            self._failed(number, outcome.reason or "")
        else:
            self._forget(number)
        return outcome

    def _failed(self, number: int, error: str) -> None:
        tries = self._tries.get(number, 0)
        if not tries:
            log.warning("pipeline.waits", pipeline=number, error=error)
        self._tries[number] = tries + 1
        self._next[number] = monotonic() + min(LONGEST, 2.0 ** min(tries, 10))

    def _forget(self, number: int) -> None:
        self._tries.pop(number, None)
        self._next.pop(number, None)
