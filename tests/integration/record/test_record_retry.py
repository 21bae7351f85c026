"""RETRY and FORGET: what opens again, what goes for good."""

import pytest

from farm.errors import LeaseLost, Refused
from farm.pipeline import Status, Step
from tests.records import CHAIN, FAN, Farm

pytestmark = pytest.mark.redis


def test_a_retry_keeps_number_and_build_and_counts_a_round(farm: Farm) -> None:
    number = farm.open()
    farm.pass_step(number, "build")
    image = farm.record.pipeline(number).image
    farm.record.commit(farm.claim(number, "test"), Status.FAILED, reason="no")
    wakes = farm.record.retry(number, "jo")
    assert [[step.name for step in wake.steps] for wake in wakes] == [["test", "release"]]
    pipeline = farm.record.pipeline(number)
    assert (pipeline.status, pipeline.reason, pipeline.image) == (Status.PENDING, None, image)
    claim = farm.claim(number, "test")
    assert (claim.round, claim.image) == (2, image)
    farm.record.commit(claim, Status.PASSED)
    farm.pass_step(number, "release")
    assert farm.status(number) is Status.PASSED


def test_a_retry_builds_again_what_was_never_built(farm: Farm) -> None:
    number = farm.open()
    farm.record.commit(farm.claim(number, "build"), Status.FAILED, reason="no")
    wakes = farm.record.retry(number, "jo")
    assert [step.name for step in wakes[0].steps] == ["build", "test", "release"]


def test_a_retry_of_the_failed_keeps_the_jobs_that_passed(farm: Farm) -> None:
    number = farm.open(steps=FAN)
    farm.pass_step(number, "build")
    farm.pass_step(number, "test/a")
    farm.record.commit(farm.claim(number, "test/b"), Status.FAILED, reason="no")
    wakes = farm.record.retry(number, "jo", failed=True)
    assert [wake.steps[0].name for wake in wakes] == ["test/b"]
    assert farm.step(number, "test/a")["status"] == "passed"


def test_no_job_that_passed_is_kept_where_its_image_is_gone(farm: Farm) -> None:
    """Another image is built, which nothing has tested."""
    number = farm.open(steps=FAN)
    farm.pass_step(number, "build")
    farm.pass_step(number, "test/a")
    farm.record.commit(farm.claim(number, "test/b"), Status.FAILED, reason="no")
    farm.record.lose("thyme", str(farm.record.pipeline(number).image).partition("@")[2])
    wakes = farm.record.retry(number, "jo", failed=True)
    assert [wake.steps[0].name for wake in wakes] == ["build"]
    assert {farm.step(number, name)["status"] for name in ("build", "test/a", "test/b", "release")} == {"pending"}


def test_who_ended_a_step_is_heard_no_more_after_a_retry(farm: Farm) -> None:
    number = farm.open()
    claim = farm.claim(number, "build")
    farm.record.commit(claim, Status.FAILED, reason="no")
    farm.record.retry(number, "jo")
    with pytest.raises(LeaseLost):
        farm.record.commit(claim, Status.FAILED, reason="no")


def test_what_was_released_is_what_this_round_released(farm: Farm) -> None:
    hook = Step("release/deploy", "release", needs=("release",))
    number = farm.open(steps=(*CHAIN, hook))
    farm.pass_step(number, "build")
    farm.pass_step(number, "test")
    release(farm, number)
    farm.record.commit(farm.claim(number, "release/deploy"), Status.FAILED, reason="no")
    farm.record.retry(number, "jo", failed=True)
    assert farm.record.pipeline(number).released == ("latest",)  # only the hook is tried again
    farm.pass_step(number, "release/deploy")
    farm.record.retry(number, "jo")
    assert farm.record.pipeline(number).released == ()
    farm.pass_step(number, "test")
    release(farm, number)
    assert farm.record.pipeline(number).released == ("latest",)


def release(farm: Farm, number: int) -> None:
    claim = farm.claim(number, "release")
    assert farm.record.release_begin(claim, "latest").go
    assert farm.record.release_done(claim, "latest")
    farm.record.commit(claim, Status.PASSED)


def test_the_limits_begin_anew_with_a_round(hasty: Farm) -> None:
    number = hasty.open()
    for _ in range(3):
        hasty.redis.hset(f"farm:pipeline:{number}:step:build", "ready", 0)
        hasty.record.give_back(hasty.claim(number, "build"), "the engine is down")
    assert hasty.status(number) is Status.ERRORED
    hasty.record.retry(number, "jo")
    assert hasty.record.give_back(hasty.claim(number, "build"), "the engine is down") is Status.PENDING


def test_a_retry_without_steps_waits_for_the_dispatcher_again(farm: Farm) -> None:
    number = farm.enter(farm.push("-", "a"))[0]
    farm.record.close(number, Status.FAILED, "definition")
    assert farm.record.retry(number, "jo") == ()
    assert farm.ledger.undispatched() == [number]


def test_a_retry_is_refused_where_it_makes_no_sense(farm: Farm) -> None:
    with pytest.raises(Refused, match="no pipeline #99"):
        farm.record.retry(99, "jo")
    number = farm.open()
    with pytest.raises(Refused, match="not over yet"):
        farm.record.retry(number, "jo")
    farm.release(number)
    with pytest.raises(Refused, match="leave --failed away"):
        farm.record.retry(number, "jo", failed=True)


def test_old_and_surplus_pipelines_are_forgotten_with_all_they_have(farm: Farm) -> None:
    letters = "-abcdef"
    numbers = [farm.open(letters[k], letters[k + 1]) for k in range(5)]
    for number in numbers[:4]:
        claim = farm.claim(number, "build")
        with farm.logs.writer(number, "build", claim.fence) as log:
            log.line("hello")
        farm.record.commit(claim, Status.FAILED, reason="no")
    assert farm.record.forget(days=1, keep=10) == 0
    assert farm.record.forget(days=1, keep=3) == 1
    with pytest.raises(Refused):
        farm.record.pipeline(numbers[0])
    assert farm.record.forget(days=0, keep=10) == 3
    assert [pipeline.number for pipeline in farm.record.pipelines()] == [numbers[4]]
    assert farm.order() == [numbers[4]]
    assert farm.redis.get("farm:logs:bytes") == "0"
    assert not farm.redis.keys("farm:log:*")


def test_identity_by_occurrence_outlives_a_part_of_the_list(farm: Farm) -> None:
    first, back = farm.enter(farm.push("a", "b")), farm.enter(farm.push("b", "a"))
    second = farm.enter(farm.push("a", "b"))[0]
    farm.record.close(first[0], Status.SKIPPED, "")
    farm.record.close(back[0], Status.SKIPPED, "")
    assert farm.record.forget(days=0, keep=10) == 2
    reports = [farm.push("a", "b", source="reflog") for _ in range(2)]
    assert farm.enter(*reports)[1] == second
