"""One attempt at a step: claim, run, commit. It knows no broker; who called it decides what is published.

Every error ends here: Failed is committed, Errored is given back, and what nobody expected is logged once and ours.
"""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

import structlog
from redis.exceptions import RedisError

from farm.definition import Definition
from farm.errors import Canceled, Errored, Failed, LeaseLost
from farm.pipeline import Status, Step, job_name
from farm.record import Claim
from workers import build, cleanup, hook, release, test
from workers.lease import Lease, Stopped
from workers.masked import MaskedLog
from workers.tools import Tools
from workers.workspace import Outcome, Workspace

_logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended: with no status it had no effect. `next` says that a step behind it still waits.

    `elsewhere` says that another worker is to try, for this one cannot or shall not now.
    """

    status: Status | None = None
    reason: str | None = None
    ready: tuple[Step, ...] = ()
    next: bool = False
    elsewhere: bool = False
    claim: Claim | None = None
    allowed: bool = False
    """Whether it failed as its definition allows, so that what is behind it goes on."""
    prepared: bool = False
    """Whether something on this host waits for the step behind."""


def attempt(tools: Tools, number: int, step: str, teardown: ExitStack) -> Ended:
    """Try to do the step; whoever calls closes `teardown` in any case, after passing the word on.

    Errors of Redis pass through while nothing is claimed: the reaper sends the wake-up again.
    """
    if not tools.engine.answers():
        return Ended(elsewhere=True)
    claim = tools.record.claim(number, step, tools.settings.worker_name)
    if not claim.go:
        return Ended(next=claim.verdict == "done" and claim.next, elsewhere=claim.verdict == "elsewhere")
    with Lease(tools.record, claim) as lease:
        try:
            with tools.logs.writer(number, step, claim.fence) as writer, closing(MaskedLog(writer)) as log:
                teardown.callback(tools.logs.complete, number, step)
                log.line(f"--- attempt {claim.attempt} on {claim.worker} ---")
                outcome = _outcome(tools, claim, lease, log, writer.hurry, teardown)
            ready = tools.record.commit(claim, outcome.status, reason=outcome.reason, result=outcome.document())
        except Stopped:
            _given_back(tools, claim, "the worker shuts down", counted=False)
            return Ended()
        except LeaseLost:
            return Ended()
        except Errored as error:
            return _given_back(tools, claim, str(error))
    allowed, prepared = bool(outcome.result.get("allowed")), "prepared" in outcome.result
    return Ended(outcome.status, outcome.reason, ready, claim=claim, allowed=allowed, prepared=prepared)


def _outcome(  # noqa: PLR0917 - all that an attempt has
    tools: Tools, claim: Claim, lease: Lease, log: MaskedLog, hurry: Callable[[], None], teardown: ExitStack
) -> Outcome:
    try:
        outcome = _worked(tools, claim, lease, log, teardown)
        outcome = replace(outcome, reason=outcome.reason and log.mask.text(outcome.reason))
    except Failed as error:
        outcome = Outcome(Status.FAILED, log.mask.text(str(error)))
    except Canceled:
        log.line("canceled, or superseded by a newer push")
        raise
    except Stopped:
        hurry()
        raise
    except Errored as error:
        log.line(f"errored: {error}")
        raise Errored(log.mask.text(str(error))) from error
    except LeaseLost:
        raise
    except RedisError as error:
        log.line("errored: Redis does not answer")
        raise Errored(f"Redis does not answer: {error}; is it running?") from error
    except Exception as error:
        _logger.exception("attempt", pipeline=claim.number, step=claim.step, fence=claim.fence)
        words = log.mask.text(str(error))
        sentence = f"the worker met an error of its own, {type(error).__name__}: {words}; its log has the details"
        log.line(f"errored: {sentence}")
        raise Errored(sentence) from error
    if claim.stage == "test" and outcome.status is Status.FAILED:
        job = Definition.model_validate_json(claim.definition).jobs[job_name(claim.step)]
        outcome = test.forgiven(job, outcome)
    status = f"{outcome.status}, which is allowed" if outcome.result.get("allowed") else str(outcome.status)
    log.line(f"{status}: {outcome.reason}" if outcome.reason else status)
    return outcome


def _worked(tools: Tools, claim: Claim, lease: Lease, log: MaskedLog, teardown: ExitStack) -> Outcome:
    lease.check()  # it may have been told to end while it claimed
    try:
        work = tools.workspace(claim, lease, log, teardown)
        if claim.attempt > 1:
            cleanup.remove_older(work.engine, work.owner)
        return _run(work, tools) if claim.step == "release" else _unbroken(work, tools)
    except (Failed, Errored):
        lease.ask()  # what a sweep takes from under a canceled stage is nobody's fault
        raise


def _run(work: Workspace, tools: Tools) -> Outcome:
    match work.claim.stage:
        case "build":
            return build.run(work)
        case "test":
            return test.run(work)
        case "release":
            behind = work.claim.step.startswith(hook.STEP)
            return hook.run(work, tools.record) if behind else release.run(work, tools.record)
        case other:
            raise Errored(f"this worker knows no stage `{other}`; is it of an older version than the dispatcher?")


def _unbroken(work: Workspace, tools: Tools) -> Outcome:
    """Run a stage; what it says of the pushed code counts only if the engine lived all the while."""
    with work.engine.unbroken() as check:
        try:
            outcome = _run(work, tools)
        except Failed:
            check()
            raise
        if work.claim.stage != "build":  # an image that is built and pushed is there, whatever became of the engine
            check()
    return outcome


def _given_back(tools: Tools, claim: Claim, reason: str, *, counted: bool = True) -> Ended:
    try:
        return Ended(tools.record.give_back(claim, reason, counted=counted), reason, claim=claim)
    except LeaseLost:
        return Ended()
    except RedisError:
        if counted:
            raise
        return Ended()  # whoever ends does not wait for Redis: the lease runs out by itself
