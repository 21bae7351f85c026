"""The time of a whole pipeline: it ends whether workers are there or not, and never over a release."""

import pytest

from farm.errors import LeaseLost
from farm.pipeline import Status
from tests.records import FAN, Farm

pytestmark = pytest.mark.redis
SENTENCE = "timed out: the pipeline did not end within the 0.3 s that its `timeout` gives it"


def opened(farm: Farm) -> int:
    number = farm.enter(farm.push("-", "a"))[0]
    assert farm.record.open(number, definition="{}", steps=FAN, image_repository="thyme", timeout=0.3)
    return number


def test_it_ends_what_runs_and_what_waits(hasty: Farm) -> None:
    number = opened(hasty)
    hasty.pass_step(number, "build")
    claim = hasty.claim(number, "test/a")  # whose worker is never heard of again
    hasty.reap_until(lambda _: hasty.status(number).final)
    pipeline = hasty.record.pipeline(number)
    assert (pipeline.status, pipeline.reason) == (Status.FAILED, SENTENCE)
    jobs = {job.name: (job.status, job.reason) for stage in pipeline.stages for job in stage.jobs}
    assert jobs["build"] == (Status.PASSED, None)
    assert jobs["test/a"] == (Status.FAILED, SENTENCE)
    assert jobs["test/b"] == jobs["release"] == (Status.SKIPPED, SENTENCE)
    with pytest.raises(LeaseLost):
        hasty.record.renew(claim)
    with pytest.raises(LeaseLost):
        hasty.record.commit(claim, Status.PASSED)
    assert hasty.redis.zcard("farm:timeouts") == hasty.redis.zcard("farm:deadlines") == 0


def test_it_counts_from_the_first_step_and_a_retry_has_it_anew(hasty: Farm) -> None:
    number = opened(hasty)
    assert hasty.redis.zcard("farm:timeouts") == 0
    hasty.claim(number, "build")
    hasty.reap_until(lambda _: hasty.status(number).final)
    hasty.record.retry(number, "jo")
    hasty.record.reap()
    assert hasty.status(number) is Status.PENDING
    hasty.claim(number, "build")
    assert hasty.redis.zcard("farm:timeouts") == 1


def test_a_release_that_has_begun_goes_on(hasty: Farm) -> None:
    number = opened(hasty)
    for step in ("build", "test/a", "test/b"):
        hasty.pass_step(number, step)
    claim = hasty.claim(number, "release")
    assert hasty.record.release_begin(claim, "latest").go
    hasty.reap_until(lambda _: hasty.redis.zcard("farm:timeouts") == 0)
    assert not hasty.status(number).final
