"""A job tried again where its definition asks for it: each try with services and containers of its own.

All tries are one attempt at one step: one claim, one log, one commit. What failed first is never forgotten: the log has
it, and the result names it.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from farm.definition import Job
from farm.errors import Failed
from farm.pipeline import Status
from workers.services import Unready
from workers.workspace import Outcome, Workspace


def run(work: Workspace, job: Job, once: Callable[[Workspace], Outcome]) -> Outcome:
    """Try the job until it passes, fails by another cause than those to be tried again, or has no try left."""
    failed: list[Mapping[str, Any]] = []
    most = job.retry.max + 1
    while True:
        own = ExitStack()
        work.teardown.callback(own.close)
        turn = len(failed) + 1
        try:
            outcome = once(replace(work, teardown=own, turn=turn))
        except Failed as error:
            if turn == most or not _again(job, error, Outcome(Status.FAILED)):
                raise
            outcome = Outcome(Status.FAILED, str(error))
        else:
            if outcome.status is not Status.FAILED or turn == most or not _again(job, None, outcome):
                return _told(outcome, failed, most)
        failed.append({"reason": work.hide(outcome.reason or ""), "exit": outcome.result.get("exit")})
        own.close()
        work.log.line(f"failed: {outcome.reason}")
        work.log.line(f"--- try {turn + 1} of {most} ---")
        work.check()


def _again(job: Job, error: Failed | None, outcome: Outcome) -> bool:
    """Say whether a failure is of a cause that is tried again; without any named, all that the script does are."""
    causes = job.retry.on
    if error is not None:
        return isinstance(error, Unready) and (not causes or "service" in causes)
    if outcome.result.get("timed_out"):
        return not causes or "timeout" in causes
    return not causes or outcome.result.get("exit") in causes


def _told(outcome: Outcome, failed: list[Mapping[str, Any]], most: int) -> Outcome:
    if not failed:
        return outcome
    reason, turn = outcome.reason, len(failed) + 1
    if outcome.status is Status.PASSED:
        reason = f"flaky, passed on try {turn} of {most}: {failed[0]['reason']}"
    elif reason:
        reason = f"{reason} (on try {turn} of {most})"
    return Outcome(outcome.status, reason, {**outcome.result, "tries": failed})
