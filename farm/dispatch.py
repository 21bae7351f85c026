"""A push becomes a pipeline, or a reason why not. It gathers what the decision needs and writes it down.

To do it twice is harmless: the record opens or closes a pipeline once, and the reaper sends what a crash between the
record and the broker held back.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

import structlog
from pydantic import ValidationError

from farm import broker, git, split
from farm.answer import Outcome
from farm.decision import FILE, Close, Plan, decide, step_name, unseen
from farm.definition import Definition, Job
from farm.errors import Errored, Failed, Refused
from farm.included import MirrorFiles, Repositories
from farm.ledger import Ledger
from farm.pipeline import Pipeline, Status, Step
from farm.push import Push
from farm.record import Record, Repository
from farm.secrets import Secrets
from farm.settings import Settings

Publish = Callable[[int, Sequence[Step], str], None]

USUAL = ("main", "master")
# Seconds since the push after which a repository that cannot be read ends the pipeline `errored`.
PATIENCE = 3600.0
PATIENCE_GONE = 20.0
LOOK_BACK = 50  # pipelines of a ref among which the one is sought in which a job passed
_GONE = re.compile(r"does not exist|not found|does not appear to be a git repository", re.IGNORECASE)

log = structlog.get_logger()


@dataclass(slots=True)
class Dispatcher:
    """Turns pushes of the ledger into pipelines. It runs no stage and waits for none.

    The settings may be exchanged for others at any time; they hold for whatever looks at them from then on.
    """

    record: Record
    ledger: Ledger
    settings: Settings
    publish: Publish = broker.publish
    check: Callable[[], None] = lambda: None
    """Called while git works; may raise to stop it."""

    def dispatch(self, number: int) -> Outcome:
        """Open or close the pipeline of a push and return what became of it.

        PENDING with a reason and no stages: the repository could not be read, and another try is worth it.
        """
        push = self.ledger.push(number)
        pipeline = self.record.pipeline(number)
        if pipeline.status.final or pipeline.stages:
            return self._standing(push, pipeline)
        try:
            verdict, subject = self._verdict(push, number)
        except (Errored, OSError) as error:
            return self._away(push, pipeline, error)
        except (Failed, Refused) as error:
            status = Status.FAILED if isinstance(error, Failed) else Status.ERRORED
            verdict, subject = Close(status, str(error)), ""
        if isinstance(verdict, Close):
            return self._close(push, number, verdict, subject)
        return self._open(push, number, verdict, subject)

    def retry(self, number: int, who: str, *, failed: bool = False) -> None:
        """Open a finished pipeline once more and wake the workers; raises Refused.

        One that never had steps waits to be dispatched again.
        """
        wakes = self.record.retry(number, who, failed=failed)
        log.info("pipeline.retried", pipeline=number, who=who, failed=failed)
        push = self.ledger.push(number)
        for wake in wakes:
            self._send(push, number, wake.steps)

    def approve(self, number: int, who: str) -> None:
        """Let the commits of a fork run, these very ones; raises Refused for any other pipeline."""
        push, pipeline = self.ledger.push(number), self.record.pipeline(number)
        if not (push.pull_request and push.fork):
            raise Refused(f"#{number} is no pull request from a fork, so it waits for nobody's word")
        if pipeline.stages:
            raise Refused(f"#{number} was approved before; `farm retry {number}` runs it again")
        self.ledger.approve(number, who)
        log.info("pipeline.approved", pipeline=number, who=who, fork=push.fork)
        if pipeline.status.final:
            self.retry(number, who)

    def _verdict(self, push: Push, number: int) -> tuple[Plan | Close, str]:
        if close := unseen(push, number, self.ledger.approved_by(number)):
            return close, ""
        repository = self.ledger.repository(push.repository)
        mirror = git.mirror_path(self.settings.home, push.repository)
        login = self.login(push.repository)
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
            may_call=self.settings.may_call,
            files=MirrorFiles(mirror, commit.id, Repositories(push.repository, self.ledger, self.settings, self.check)),
            secrets=Secrets(self.record.redis).names(push.repository),
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
            states = {each.name: each.status for stage in earlier.stages for each in stage.jobs}
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
            login = self.login(push.repository)
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

    def login(self, repository: str) -> git.Login | None:
        """Return what opens a repository for git; Errored where a secret cannot be read."""
        return git.login(self.settings.repository(repository).git)

    def _protected(self, push: Push, repository: Repository) -> bool:
        """Return whether the ref may release.

        The default branch is that of the repository's HEAD, which in a new bare repository often names a branch that
        never comes to be: then the one that is pushed under a usual name counts.
        """
        own, default = self.settings.repository(push.repository), repository.default_branch
        if push.branch in USUAL and push.branch != default:
            head = f"refs/heads/{default}"
            there = head in git.ls_remote(repository.url, head, login=self.login(push.repository))
            default = default if there else push.branch
        return own.protects(push.ref, default)

    def _open(self, push: Push, number: int, plan: Plan, subject: str) -> Outcome:
        opened = self.record.open(
            number,
            definition=plan.definition.model_dump_json(),
            steps=plan.steps,
            image_repository=plan.image,
            reason=plan.remark,
            supersede=plan.definition.on.superseded == "cancel",
            protected=plan.protected,
            timeout=plan.definition.timeout,
        )
        if not opened:  # canceled or superseded meanwhile, or another dispatcher was faster
            return self._standing(push, self.record.pipeline(number))
        log.info("pipeline.opened", pipeline=number, repository=push.repository, ref=push.ref, who=push.who)
        run = [step for step in plan.steps if not step.skip]
        self._send(push, number, run)
        stages = tuple(dict.fromkeys(step.stage for step in run))
        return Outcome(push, number, subject=subject, reason=plan.remark, stages=stages, waiting=self._unserved(number))

    def _send(self, push: Push, number: int, steps: Sequence[Step]) -> None:
        try:
            first, *rest = broker.unforked(steps)
            first = replace(first, priority=self.record.priority(number, first.name))
            self.publish(number, (first, *rest), broker.title(push.repository, push.ref, push.new))
        except Exception as error:  # noqa: BLE001 - the record has it, so the reaper sends it
            log.warning("pipeline.not_published", pipeline=number, error=str(error))

    def _close(self, push: Push, number: int, close: Close, subject: str) -> Outcome:
        self.record.close(number, close.status, "\n".join((close.reason, *close.messages)))
        log.info("pipeline.closed", pipeline=number, status=close.status, reason=close.reason)
        return Outcome(push, number, close.status, subject, close.reason, close.messages)

    def _away(self, push: Push, pipeline: Pipeline, error: Exception) -> Outcome:
        words = str(error.__cause__ or error)
        if self.record.now() - pipeline.created > (PATIENCE_GONE if _GONE.search(words) else PATIENCE):
            return self._close(push, pipeline.number, Close(Status.ERRORED, str(error)), pipeline.subject)
        self.record.postpone(pipeline.number, str(error))
        return Outcome(push, pipeline.number, subject=pipeline.subject, reason=str(error))

    def _standing(self, push: Push, pipeline: Pipeline) -> Outcome:
        return replace(standing(push, pipeline), waiting=self._unserved(pipeline.number))

    def _unserved(self, number: int) -> str | None:
        """Return the sentence for a queue that nobody serves; that others are ahead is no warning."""
        sentence = self.record.waiting(number)
        return sentence if sentence and "no worker" in sentence else None


def _changed(push: Push, mirror: Path, commit: str, paths: Sequence[str], ignore: Sequence[str]) -> bool:
    """Say whether a push changes one of these paths; what has nothing to be compared with does."""
    before = None if push.created or push.by_hand or push.branch is None else git.find(mirror, push.old)
    return before is None or git.changed(mirror, before, commit, paths=paths, ignore=ignore)


def standing(push: Push, pipeline: Pipeline, *, known: bool = True) -> Outcome:
    """Return the outcome of a pipeline as the record has it."""
    reason, *messages = (pipeline.reason or "").split("\n")
    return Outcome(
        push,
        pipeline.number,
        pipeline.status,
        pipeline.subject,
        reason or None,
        messages,
        tuple(stage.name for stage in pipeline.stages),
        known=known,
    )
