"""A push becomes a pipeline, or a reason why not. It writes down what farm.evidence makes of it.

To do it twice is harmless: the record opens or closes a pipeline once, and the reaper sends what a crash between the
record and the broker held back.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from redis.exceptions import RedisError

from farm import broker, git
from farm.answer import Outcome
from farm.decision import Close, Plan
from farm.errors import Errored, Failed, Refused
from farm.evidence import Evidence
from farm.ledger import Ledger
from farm.pipeline import Pipeline, Status, Step
from farm.push import Push
from farm.record import Record
from farm.settings import Settings

Publish = Callable[[int, Sequence[Step], str], None]

# Seconds since the push after which a repository that cannot be read, or what nobody expected, ends it `errored`.
PATIENCE = 3600.0
PATIENCE_GONE = 20.0
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
            return self._looked_at(push, number)
        except (Errored, OSError) as error:
            return self._away(push, pipeline, error, PATIENCE)
        except RedisError:
            raise  # the intake asks again
        except Exception as error:
            log.exception("dispatch", pipeline=number)
            words = f"{type(error).__name__}: {error}"
            sentence = f"the dispatcher met an error of its own, {words}; its log has the details"
            return self._away(push, pipeline, Errored(sentence), PATIENCE_GONE)

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

    def login(self, repository: str) -> git.Login | None:
        """Return what opens a repository for git; Errored where a secret cannot be read."""
        return git.login(self.settings.repository(repository).git)

    def _looked_at(self, push: Push, number: int) -> Outcome:
        try:
            evidence = Evidence(self.record, self.ledger, self.settings, self.check)
            verdict, subject = evidence.verdict(push, number)
        except (Failed, Refused) as error:
            status = Status.FAILED if isinstance(error, Failed) else Status.ERRORED
            verdict, subject = Close(status, str(error)), ""
        if isinstance(verdict, Close):
            return self._close(push, number, verdict, subject)
        return self._open(push, number, verdict, subject)

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
        return Outcome(
            push, number, subject=subject, reason=plan.remark, stages=stages, waiting=self.record.unserved(number)
        )

    def _send(self, push: Push, number: int, steps: Sequence[Step]) -> None:
        try:
            first, *rest = broker.unforked(steps)
            first = replace(first, priority=self.record.priority(number, first.name))
            self.publish(number, (first, *rest), broker.title(push.repository, push.ref, push.new))
        except Exception as error:  # noqa: BLE001 - the record has it, so the reaper sends it
            log.warning("pipeline.not_published", pipeline=number, error=str(error))

    def _close(self, push: Push, number: int, close: Close, subject: str) -> Outcome:
        if not self.record.close(number, close.status, "\n".join((close.reason, *close.messages))):
            return self._standing(push, self.record.pipeline(number))  # as in `_open`
        log.info("pipeline.closed", pipeline=number, status=close.status, reason=close.reason)
        return Outcome(push, number, close.status, subject, close.reason, close.messages)

    def _away(self, push: Push, pipeline: Pipeline, error: Exception, patience: float) -> Outcome:
        if _GONE.search(str(error.__cause__ or error)):
            patience = PATIENCE_GONE
        if self.record.now() - pipeline.created > patience:
            return self._close(push, pipeline.number, Close(Status.ERRORED, str(error)), pipeline.subject)
        self.record.postpone(pipeline.number, str(error))
        return Outcome(push, pipeline.number, subject=pipeline.subject, reason=str(error))

    def _standing(self, push: Push, pipeline: Pipeline) -> Outcome:
        return replace(standing(push, pipeline), waiting=self.record.unserved(pipeline.number))


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
