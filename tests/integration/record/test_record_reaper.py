"""REAP: lost workers, lost wake-ups, and when nobody may be taken from."""

from dataclasses import replace

import pytest

from farm.errors import LeaseLost
from farm.pipeline import Status
from farm.record import Record
from tests.records import CHAIN, FAN, Farm

pytestmark = pytest.mark.redis


def test_a_lost_worker_is_replaced_and_stays_locked_out(hasty: Farm) -> None:
    number = hasty.open()
    hasty.settle_reaper()
    lost = hasty.claim(number, "build", "w1")
    wakes = hasty.reap_until(lambda _: hasty.step(number, "build").get("offered"))
    assert [step.name for step in wakes[-1].steps] == ["build", "test", "release"]
    assert "w1 does not answer" in str(hasty.record.waiting(number))
    new = hasty.claim(number, "build", "w2")
    assert new.fence > lost.fence
    assert new.attempt == 2
    for act in (
        hasty.record.renew,
        lambda c: hasty.record.commit(c, Status.PASSED),
        lambda c: hasty.record.give_back(c, ""),
    ):
        with pytest.raises(LeaseLost):
            act(lost)
    assert hasty.record.pipeline(number).stages[0].jobs[0].reason == "taken over from w1, which was lost"
    hasty.record.commit(new, Status.PASSED)


def test_an_expired_lease_is_not_taken_before_the_reaper_offers_it(hasty: Farm, poll) -> None:
    number = hasty.open()
    hasty.claim(number, "build", "w1")
    poll(lambda: float(hasty.step(number, "build")["lease"]) < hasty.now())
    assert hasty.record.claim(number, "build", "w2").verdict == "busy"


def test_renewal_after_expiry_succeeds_if_nobody_claimed(hasty: Farm) -> None:
    number = hasty.open()
    hasty.settle_reaper()
    claim = hasty.claim(number, "build", "w1")
    hasty.reap_until(lambda _: hasty.step(number, "build").get("offered"))
    hasty.record.renew(claim)
    assert hasty.record.claim(number, "build", "w2").verdict == "busy"
    assert hasty.step(number, "build")["takeovers"] == "0"


def test_an_offer_that_was_withdrawn_counts_no_more(hasty: Farm, poll) -> None:
    """While Redis is away the next lease runs out, too; a message that was left lying takes nothing from anybody."""
    number = hasty.open()
    hasty.settle_reaper()
    claim = hasty.claim(number, "build", "w1")
    hasty.reap_until(lambda _: hasty.step(number, "build").get("offered"))
    hasty.record.renew(claim)
    poll(lambda: float(hasty.step(number, "build")["lease"]) < hasty.now())
    assert hasty.record.claim(number, "build", "w2").verdict == "busy"


def test_commit_after_expiry_succeeds_if_nobody_claimed(hasty: Farm) -> None:
    number = hasty.open()
    hasty.settle_reaper()
    claim = hasty.claim(number, "build", "w1")
    hasty.reap_until(lambda _: hasty.step(number, "build").get("offered"))
    hasty.record.commit(claim, Status.PASSED)
    assert hasty.record.claim(number, "build", "w2").verdict == "done"


def test_the_third_lost_worker_is_the_last(hasty: Farm) -> None:
    number = hasty.open()
    hasty.settle_reaper()
    for k in range(2):
        hasty.claim(number, "build", f"w{k}")
        hasty.reap_until(lambda _: hasty.step(number, "build").get("offered"))
    hasty.claim(number, "build", "w3")
    hasty.reap_until(lambda _: hasty.status(number).final)
    pipeline = hasty.record.pipeline(number)
    assert (pipeline.status, pipeline.reason) == (Status.ERRORED, "lost 3 workers")
    assert hasty.step(number, "test")["status"] == "skipped"


def test_publishing_a_waiting_step_again_is_free_and_backed_off(hasty: Farm) -> None:
    number = hasty.open()
    gaps = []
    for _ in range(4):
        before = hasty.redis.zscore("farm:deadlines", f"{number} build")
        hasty.reap_until(lambda wakes: wakes)
        gaps.append(hasty.redis.zscore("farm:deadlines", f"{number} build") - before)
    assert gaps == sorted(gaps)
    assert gaps[-1] > 4 * gaps[0] > 0
    assert hasty.step(number, "build")["takeovers"] == "0"
    assert hasty.claim(number, "build").attempt == 1


def test_one_wake_up_is_outstanding_while_the_queue_holds_it(hasty: Farm, poll) -> None:
    first, second = hasty.open("-", "a"), hasty.open("a", "b")
    hasty.redis.lpush("build", "message", "message")
    poll(lambda: hasty.redis.zscore("farm:deadlines", f"{second} build") < hasty.now())
    assert hasty.record.reap() == []
    hasty.redis.lpop("build")
    wakes = hasty.reap_until(lambda wakes: {wake.number for wake in wakes} == {first, second})
    assert wakes


def test_a_wake_up_of_several_jobs_holds_what_is_surely_next(hasty: Farm) -> None:
    number = hasty.open(steps=FAN)
    wakes = hasty.reap_until(lambda wakes: wakes)
    assert [step.name for step in wakes[0].steps] == ["build"]
    hasty.pass_step(number, "build")
    wakes = hasty.reap_until(lambda wakes: len(wakes) == 2)
    assert sorted(wake.steps[0].name for wake in wakes) == ["test/a", "test/b"]
    assert {len(wake.steps) for wake in wakes} == {1}


def test_after_a_gap_nobody_is_taken_from_for_a_whole_lease(hasty: Farm, poll) -> None:
    number = hasty.open()
    hasty.settle_reaper()
    hasty.claim(number, "build", "w1")
    hasty.redis.hset("farm:reaper:tick", "tick", hasty.now() - 0.11)  # half a lease and a little
    poll(lambda: float(hasty.step(number, "build")["lease"]) < hasty.now())
    began = hasty.now()
    hasty.redis.hset("farm:reaper:tick", "tick", began - 0.11)
    hasty.record.reap()
    assert "offered" not in hasty.step(number, "build")
    hasty.reap_until(lambda _: hasty.step(number, "build").get("offered"))
    assert hasty.now() - began >= 0.2


def test_two_reapers_wake_a_step_once(farm: Farm) -> None:
    number = farm.open()
    farm.redis.zadd("farm:deadlines", {f"{number} build": farm.now() - 1})
    other = Record(farm.redis, farm.record.lease)
    assert len(farm.record.reap() + other.reap()) == 1


def test_a_loop_is_held_by_one_dispatcher(hasty: Farm, poll) -> None:
    assert hasty.record.hold("reaper", "d1", 60)
    assert not hasty.record.hold("reaper", "d2", 60)
    assert hasty.record.hold("reaper", "d1", 0.1)
    poll(lambda: hasty.record.hold("reaper", "d2", 0.1))


def test_a_zombie_of_the_first_round_is_locked_out_of_the_second(hasty: Farm) -> None:
    number = hasty.open()
    build = hasty.claim(number, "build")
    hasty.record.commit(build, Status.FAILED, reason="no")
    hasty.record.retry(number, "jo")
    with pytest.raises(LeaseLost):
        hasty.record.commit(build, Status.PASSED)
    with pytest.raises(LeaseLost):
        hasty.record.renew(replace(build, fence=0))


def test_a_clock_that_was_set_back_holds_up_nothing(farm: Farm) -> None:
    """What waits, is to be dispatched, is lost or read again does not wait until the clock is where it was."""
    waits, lost, released = (farm.open("-", new, ref=f"refs/heads/{new}") for new in "abc")
    farm.claim(lost, "build")
    farm.release(released)
    unseen = farm.enter(farm.push("a", "b"))
    farm.record.reap()
    farm.age(-3600)
    assert farm.record.claim(waits, "build", "w1").verdict == "early"
    farm.record.reap()
    assert farm.claim(waits, "build").go
    assert farm.ledger.undispatched() == unseen
    assert not farm.step(lost, "build").get("offered"), "its worker had no time to renew"
    for _ in range(9):
        farm.age(farm.record.lease / 4)
        farm.record.reap()
    assert farm.step(lost, "build").get("offered")
    assert [intent.number for intent in farm.record.intents(due=True)] == [released]


def test_what_is_lost_does_not_stand_behind_all_that_waits(farm: Farm) -> None:
    """A look of the reaper takes 200 at most, so fewer than that may come due in each second."""
    for number in farm.enter(*(farm.push("-", "a", ref=f"refs/heads/{count}") for count in range(1200))):
        farm.record.open(number, definition="{}", steps=CHAIN[:1], image_repository="thyme")
        farm.redis.lpush("build", "a message")
    farm.record.reap()
    farm.age(farm.record.lease)
    for _ in range(6):
        assert farm.record.reap() == []
    lease = farm.record.lease
    assert farm.redis.zcount("farm:deadlines", farm.now(), farm.now() + lease) < 120 * lease
