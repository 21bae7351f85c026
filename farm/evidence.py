"""What git, the ledger and the record say of a push, gathered for the rule of farm.decision. It opens no pipeline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

from pydantic import ValidationError

from farm import git, split
from farm.decision import FILE, Close, Plan, decide, unseen
from farm.definition import Definition, Job, Server
from farm.errors import Refused
from farm.included import MirrorFiles, Repositories
from farm.ledger import Ledger
from farm.pipeline import Pipeline, Status, step_name
from farm.push import Push
from farm.record import Record, Repository
from farm.refs import USUAL
from farm.secrets import Secrets
from farm.settings import Settings

LOOK_BACK = 50  # pipelines of a ref among which the one is sought in which a job passed


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where to look, as the settings are when a push is dispatched. All but the commit's description stays as it is."""

    record: Record
    ledger: Ledger
    settings: Settings
    check: Callable[[], None]

    def verdict(self, push: Push, number: int) -> tuple[Plan | Close, str]:
        """Return what the push becomes, and its commit's subject.

        Raises Errored, OSError where the repository cannot be read, Failed, Refused where it is wrong.
        """
        if close := unseen(push, number, self.ledger.approved_by(number)):
            return close, ""
        repository = self.ledger.repository(push.repository)
        mirror = git.mirror_path(self.settings.home, push.repository)
        login = self._login(push.repository)
        look = git.look(mirror, repository.url, push.new, push.ref, FILE, check=self.check, login=login)
        commit = look.commit
        self.record.describe(
            number,
            subject=commit.subject,
            author=commit.author,
            email=commit.email,
            commit="" if commit.id == push.new else commit.id,
        )
        protected = push.pull_request is None and self._protected(push, repository)
        doubt = self._doubt(push, number, mirror, repository, look) if protected else None
        verdict = decide(
            push,
            number,
            commit,
            look.text,
            protected=protected and not doubt,
            date=datetime.now(UTC).strftime("%Y-%m-%d"),
            files=MirrorFiles(mirror, commit.id, Repositories(push.repository, self.ledger, self.settings, self.check)),
            server=Server(push.repository, Secrets(self.record.redis).names(push.repository), self.settings.may_call),
            changed=partial(_changed, push, mirror, commit.id),
            unchanged=partial(self._unchanged, cache(partial(self._earlier, push)), mirror, commit.id),
            share=partial(self._shared, push, repository, mirror, commit.id),
        )
        if doubt and isinstance(verdict, Plan) and verdict.remark:
            verdict = replace(verdict, remark=f"{doubt}, so nothing is released")
        return verdict, commit.subject

    def _earlier(self, push: Push) -> Sequence[Pipeline]:
        """Return the pipelines in which a job may have passed already; what is asked for by hand runs all."""
        if push.by_hand:
            return ()
        return self.record.pipelines(repository=push.repository, ref=push.ref, limit=LOOK_BACK)

    def _unchanged(
        self, pipelines: Callable[[], Sequence[Pipeline]], mirror: Path, commit: str, name: str, job: Job
    ) -> int | None:
        """Return the newest of these pipelines in which this very job passed, if no file that it names differs.

        What came between may have failed, so the push before does not count.
        """
        for earlier in pipelines():
            states = {each.name: each.status for each in earlier.jobs}
            if states.get(step_name(name)) is not Status.PASSED:
                continue
            try:
                before = Definition.model_validate_json(self.record.definition(earlier.number))
            except (ValidationError, Refused):  # another version of the farm wrote it
                return None
            base = git.find(mirror, earlier.commit) if before.jobs.get(name) == job else None
            same = base is not None and not git.changed(mirror, base, commit, paths=job.when.paths)
            return earlier.number if same else None
        return None

    def _shared(
        self, push: Push, repository: Repository, mirror: Path, commit: str, definition: Definition
    ) -> Definition:
        """Divide files among shards by what their tests took on the branch, else on the default branch."""

        @cache  # the shards of one job ask for the same
        def seconds(group: str) -> Mapping[str, float]:
            for ref in dict.fromkeys((push.ref, f"refs/heads/{repository.default_branch}")):
                known = self.record.durations(push.repository, ref, group)
                if known:
                    return known
            return {}

        return split.shared(definition, cache(partial(git.matching, mirror, commit)), seconds)

    def _doubt(self, push: Push, number: int, mirror: Path, repository: Repository, look: git.Look) -> str | None:
        """Return why git does not bear out the push's place in the order, or None; a report alone releases nothing.

        A ref may have moved on by now, but a commit that lies before one that the ref had earlier, and still leads to,
        is none that came later.
        """
        name, commit, tip = push.branch or push.tag, look.commit.id, look.tip
        if not look.fetched:
            login = self._login(push.repository)
            now = git.ls_remote(repository.url, push.ref, login=login).get(push.ref)
            if now != tip:
                git.fetch(mirror, repository.url, check=self.check, login=login)
                tip = git.look(mirror, repository.url, commit, push.ref, FILE, login=login).tip
        if tip == commit:
            return None
        later = git.after(mirror, commit, tip) if tip and push.branch else frozenset()
        if tip not in later:
            return f"{name} does not lead to {commit[:7]}"
        return f"{name} had come further than {commit[:7]} before" if later & self.ledger.earlier(number) else None

    def _protected(self, push: Push, repository: Repository) -> bool:
        """Return whether the ref may release.

        The default branch is that of the repository's HEAD, which in a new bare repository often names a branch that
        never comes to be: then the one that is pushed under a usual name counts.
        """
        own, default = self.settings.repository(push.repository), repository.default_branch
        if push.branch and push.ref in USUAL and push.branch != default:
            head = f"refs/heads/{default}"
            there = head in git.ls_remote(repository.url, head, login=self._login(push.repository))
            default = default if there else push.branch
        return own.protects(push.ref, default)

    def _login(self, repository: str) -> git.Login | None:
        return git.login(self.settings.repository(repository).git)


def _changed(push: Push, mirror: Path, commit: str, paths: Sequence[str], ignore: Sequence[str]) -> bool:
    """Say whether a push changes one of these paths; what has nothing to be compared with does."""
    before = None if push.created or push.by_hand or push.branch is None else git.find(mirror, push.old)
    return before is None or git.changed(mirror, before, commit, paths=paths, ignore=ignore)
