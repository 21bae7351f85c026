"""Compares repositories with the ledger by `git ls-remote`: finds the pushes that nobody reported.

It sees only where a ref is, so several pushes that nobody reported are one; whoever reports them later takes it over.
"""

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from redis.exceptions import RedisError

from farm import git
from farm.errors import FarmError
from farm.intake import Intake
from farm.lanes import Lanes
from farm.ledger import Ledger
from farm.push import Push
from farm.record import Repository

LOOK = 1.0  # seconds between two looks for repositories whose time has come
GRACE = 30.0  # seconds that whoever reports a push has before it is guessed
A_HOST = 2  # repositories of one host that are asked at a time
KINDS = ("refs/heads/", "refs/tags/")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A ref that is elsewhere than the ledger knows, and since when (monotonic) it has been seen there."""

    was: str
    now: str
    since: float


@dataclass(slots=True)
class Remotes:
    """Asks each registered repository every `period` seconds, and again after the grace what looks suspicious."""

    ledger: Ledger
    intake: Intake
    period: float
    grace: float = GRACE
    lanes: Lanes[Any] = field(default_factory=lambda: Lanes(A_HOST))
    _due: dict[str, float] = field(default_factory=dict)
    _suspicions: dict[str, dict[str, Suspicion]] = field(default_factory=dict)
    _faults: dict[str, str] = field(default_factory=dict)

    def look(self) -> float:
        """Ask the repositories whose time has come; return when to look again."""
        now = time.monotonic()
        for repository in self.ledger.repositories() if self.period else ():
            if self._due.setdefault(repository.name, now + min(self.period, self.grace)) <= now:
                self._due[repository.name] = now + self.period
                host = git.host(repository.url)
                self.lanes.submit(repository.name, repository.name, partial(self._ask, repository), host)
        return LOOK

    def now(self, repository: Repository) -> list[tuple[Push, int]]:
        """Ask a repository without any grace, after whoever is at it; return the pushes that nobody had reported."""
        work = self.lanes.submit(
            repository.name, uuid.uuid4(), lambda: self.compare(repository, 0), git.host(repository.url)
        )
        found: list[tuple[Push, int]] = work.result()
        return found

    def compare(self, repository: Repository, grace: float) -> list[tuple[Push, int]]:
        """Ask a repository and enter the pushes that nobody has reported for so many seconds; return the new ones.

        A ref counts when it was seen at the same place at the beginning of that time and now. Raises Errored when the
        repository cannot be read.
        """
        before = self.ledger.tips(repository.name)
        refs = git.ls_remote(repository.url, login=self.intake.dispatcher.login(repository.name))
        moved = dict(_moved(before, self.ledger.tips(repository.name), refs))
        known, now = self._suspicions.get(repository.name, {}), time.monotonic()
        suspicions = {}
        for ref, (was, new) in moved.items():
            older = known.get(ref)
            same = older is not None and (older.was, older.now) == (was, new)
            suspicions[ref] = older if older and same else Suspicion(was, new, now)
        ripe = [ref for ref, suspicion in suspicions.items() if now - suspicion.since >= grace]
        found = self._enter(repository.name, [(ref, *moved[ref]) for ref in ripe])
        self._suspicions[repository.name] = {ref: one for ref, one in suspicions.items() if ref not in ripe}
        return found

    def _ask(self, repository: Repository) -> None:
        try:
            self.compare(repository, self.grace)
            self._faults.pop(repository.name, None)
        except Exception as error:
            if self._faults.get(repository.name) != str(error):
                self._faults[repository.name] = str(error)
                odd = not isinstance(error, (FarmError, RedisError))
                log.warning("repository.away", repository=repository.name, error=str(error), exc_info=odd)
        if self._suspicions.get(repository.name):
            self._due[repository.name] = time.monotonic() + min(self.period, self.grace)

    def _enter(self, repository: str, moves: list[tuple[str, str, str]]) -> list[tuple[Push, int]]:
        pushes = [Push(str(uuid.uuid4()), repository, ref, was, new, source="ls-remote") for ref, was, new in moves]
        entries = self.ledger.enter(repository, pushes) if pushes else []
        found = [(push, entry.number) for push, entry in zip(pushes, entries, strict=True) if not entry.known]
        for push, number in found:
            log.info("push.found", pipeline=number, repository=repository, ref=push.ref, old=push.old, new=push.new)
            self.intake.take(repository, number)
        return found


def _moved(
    before: Mapping[str, str], after: Mapping[str, str], refs: Mapping[str, str]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Give the refs that the ledger knew elsewhere, both before and after they were asked for."""
    for ref in sorted({*before, *refs}):
        now = refs.get(ref, "")
        was = before.get(ref, "")
        zeros = "0" * len(now or was)
        if ref.startswith(KINDS) and was == after.get(ref, "") and (was or zeros) != (now or zeros):
            yield ref, (was or zeros, now or zeros)
