"""A failure that the definition allows: it is one, and holds up nothing."""

import pytest

from farm.pipeline import Status, Step
from tests.records import FAN, Farm

pytestmark = pytest.mark.redis
BEHIND = (
    Step("build", "build", (), "build"),
    Step("test/a", "test", ("build",), "test"),
    Step("test/b", "test", ("test/a",), "test"),
    Step("release", "release", ("test/a", "test/b"), "release"),
)


def fail(farm: Farm, number: int, step: str, **result: object) -> tuple[Step, ...]:
    return farm.record.commit(farm.claim(number, step), Status.FAILED, reason="exit code 3", result=result)


def test_what_needs_it_runs_and_the_stage_passes(farm: Farm) -> None:
    number = farm.open(steps=BEHIND)
    farm.pass_step(number, "build")
    assert [step.name for step in fail(farm, number, "test/a", allowed=True)] == ["test/b"]
    again = farm.record.claim(number, "test/a", "w2")
    assert (again.verdict, again.next) == ("done", True)
    farm.pass_step(number, "test/b")
    claim = farm.claim(number, "release")
    assert farm.record.release_begin(claim, "latest").go
    farm.record.commit(claim, Status.PASSED)
    pipeline = farm.record.pipeline(number)
    assert (pipeline.status, pipeline.reason) == (Status.PASSED, "a failed, which is allowed")
    stage = pipeline.stages[1]
    assert stage.status is Status.PASSED
    assert [(job.status, job.allowed) for job in stage.jobs] == [(Status.FAILED, True), (Status.PASSED, False)]


def test_a_failure_beside_it_is_none_the_less(farm: Farm) -> None:
    number = farm.open(steps=FAN)
    farm.pass_step(number, "build")
    fail(farm, number, "test/a", allowed=True)
    fail(farm, number, "test/b")
    pipeline = farm.record.pipeline(number)
    assert (pipeline.status, pipeline.reason) == (Status.FAILED, "b: exit code 3")
    assert pipeline.stages[1].status is Status.FAILED
    assert pipeline.stages[2].jobs[0].reason == "test/b failed"


def test_what_is_errored_is_never_allowed(farm: Farm) -> None:
    number = farm.open(steps=FAN)
    farm.pass_step(number, "build")
    farm.record.commit(farm.claim(number, "test/a"), Status.ERRORED, reason="lost", result={"allowed": True})
    farm.pass_step(number, "test/b")
    assert farm.status(number) is Status.ERRORED


def test_a_later_try_that_passed_is_told_of_the_pipeline(farm: Farm) -> None:
    number = farm.open(steps=FAN)
    farm.pass_step(number, "build")
    farm.pass_step(number, "test/a")
    result = {"tries": [{"reason": "exit code 3", "exit": 3}]}
    reason = "flaky, passed on try 2 of 3: exit code 3"
    farm.record.commit(farm.claim(number, "test/b"), Status.PASSED, reason=reason, result=result)
    farm.pass_step(number, "release")
    pipeline = farm.record.pipeline(number)
    assert (pipeline.status, pipeline.reason) == (Status.PASSED, f"b: {reason}")
    assert [job.flaky for job in pipeline.stages[1].jobs] == [False, True]


def test_a_retry_forgets_that_it_was_allowed(farm: Farm) -> None:
    number = farm.open(steps=FAN)
    farm.pass_step(number, "build")
    fail(farm, number, "test/a", allowed=True)
    fail(farm, number, "test/b")
    farm.record.retry(number, "jo")
    fail(farm, number, "test/a")
    assert not farm.record.pipeline(number).stages[1].jobs[0].allowed


LEFT = (
    Step("build", "build", (), "build"),
    Step("test/a", "test", (), "test", skip="runs for tags v*"),
    Step("test/b", "test", ("build",), "test"),
    Step("release", "release", ("test/b",), "release"),
)


def test_a_job_that_is_left_out_is_skipped_and_waited_for_by_nobody(farm: Farm) -> None:
    number = farm.open(steps=LEFT)
    assert farm.record.claim(number, "test/a", "w1").verdict == "dead"
    for step in ("build", "test/b", "release"):
        farm.pass_step(number, step)
    pipeline = farm.record.pipeline(number)
    assert (pipeline.status, pipeline.reason) == (Status.PASSED, None)
    left = pipeline.stages[1].jobs[0]
    assert (left.status, left.reason, left.attempts) == (Status.SKIPPED, "runs for tags v*", 0)
    assert pipeline.stages[1].status is Status.PASSED


def test_a_retry_leaves_it_out_again(farm: Farm) -> None:
    number = farm.open(steps=LEFT)
    farm.pass_step(number, "build")
    fail(farm, number, "test/b")
    assert [step.name for wake in farm.record.retry(number, "jo") for step in wake.steps] == ["test/b", "release"]
    job = farm.record.pipeline(number).stages[1].jobs[0]
    assert (job.status, job.reason) == (Status.SKIPPED, "runs for tags v*")
