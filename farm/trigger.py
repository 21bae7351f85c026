"""Asks for a pipeline without a push, of the commit where a ref is now: by hand or by a schedule. It decides nothing.

What it enters into the ledger moves no ref; its place in the ref's order is that of its commit (farm/lua/enter.lua).
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import structlog

from farm import git
from farm.errors import Refused
from farm.intake import Intake
from farm.ledger import Entry, Ledger
from farm.push import Push, check_ref
from farm.refs import meant
from farm.variables import options

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Trigger:
    """Enters what is asked for into the ledger, from where the intake takes it up like a push."""

    ledger: Ledger
    intake: Intake

    def enter(
        self,
        repository: str,
        ref: str,
        who: str,
        *,
        variables: Mapping[str, str] = MappingProxyType({}),
        identity: str = "",
    ) -> tuple[Push, Entry]:
        """Enter a pipeline for a branch or tag, by its short or full name; "" is the default branch.

        The variables go to its jobs, as those of a push do. The same identity gives the same pipeline. Raises Refused
        where there is no such repository or ref, Errored when the repository cannot be read.
        """
        known = self.ledger.repository(repository)
        own = self.intake.dispatcher.settings.repository(repository)
        name = ref or own.default_branch or known.default_branch
        wanted = meant(name)
        for each in wanted:
            check_ref(each)
        there = git.ls_remote(known.url, *wanted, login=self.intake.dispatcher.login(repository))
        found = next((each for each in wanted if each in there), None)
        if found is None:
            kind = "default branch" if not ref else "branch or tag"
            raise Refused(f"{repository} has no {kind} {name!r}; push it first, or name another branch or tag")
        commit = there[found]
        push = Push(
            id=identity or str(uuid.uuid4()),
            repository=repository,
            ref=found,
            old=commit,
            new=commit,
            who=who,
            options=options(variables),
            source="manual",
        )
        (entry,) = self.ledger.enter(repository, [push])
        if not entry.known:
            log.info("pipeline.asked_for", pipeline=entry.number, repository=repository, ref=found, who=who)
        return push, entry
