"""What is counted as steps and pipelines end: how long they waited and ran, by queue; bounded."""

import pytest
from hypothesis import given, strategies as st

from farm.pipeline import Status, Step
from farm.record import SPANS, Times
from farm.record.loads import LAST, bound
from tests.records import Farm

pytestmark = [pytest.mark.redis]

GPU = (Step("test/a", "test", (), "test+gpu"),)


def shift(farm, number, step, **ago: float):
    now = farm.now()
    farm.redis.hset(f"farm:pipeline:{number}:step:{step}", mapping={name: now - by for name, by in ago.items()})


def test_a_step_is_counted_in_its_queue_when_it_ends(farm: Farm):
    number = farm.open(steps=GPU)
    claim = farm.claim(number, "test/a")
    shift(farm, number, "test/a", ready=30, started=10)
    farm.record.commit(claim, Status.FAILED)
    farm.record.commit(claim, Status.FAILED)  # a reply that was lost
    for span, (_, slots) in SPANS.items():
        loads = farm.record.load(["test+gpu", "build"], span)
        assert len(loads["test+gpu"]) == slots
        assert sum(slot.finished for slot in loads["build"]) == 0
        (slot,) = [slot for slot in loads["test+gpu"] if slot.finished]
        assert slot.finished == 1
        assert slot.waited.quantile(1) == pytest.approx(20, rel=0.3)
        assert slot.ran.quantile(1) == pytest.approx(10, rel=0.3)
    counts = farm.record.counts()
    assert counts["steps", "test+gpu", "test", "failed"] == 1
    assert counts["run_sum", "test+gpu", "test"] == pytest.approx(10, abs=1)
    assert counts["pipelines", "thyme", "failed"] == 1


def test_what_never_ran_is_not_counted(farm: Farm):
    number = farm.open()
    farm.record.cancel(number, "ada")
    assert farm.record.counts() == {("pipelines", "thyme", "canceled"): 1}


def test_every_counter_of_a_span_expires(farm: Farm):
    number = farm.open(steps=GPU)
    farm.record.commit(farm.claim(number, "test/a"), Status.PASSED)
    keys = farm.redis.keys("farm:load:*")
    assert len(keys) == len(SPANS)
    for key in keys:
        width = int(key.split(":")[3])
        slots = next(slots for seconds, slots in SPANS.values() if seconds == width)
        assert width * slots < farm.redis.ttl(key) <= width * (slots + 2)


def test_lost_workers_and_new_attempts_are_counted(hasty: Farm):
    hasty.settle_reaper()
    number = hasty.open(steps=GPU)
    hasty.claim(number, "test/a")
    hasty.reap_until(lambda wakes: any(wake.number == number for wake in wakes))
    hasty.claim(number, "test/a", "w2")
    counts = hasty.record.counts()
    assert (counts[("leases_expired",)], counts[("reruns",)]) == (1, 1)


@given(st.lists(st.floats(0.001, 20_000), min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_quantile_is_right_to_its_bucket(seconds, part):
    def bucket(value):
        return next((at for at in range(LAST) if value <= bound(at)), LAST)

    buckets = {}
    for value in seconds:
        buckets[bucket(value)] = buckets.get(bucket(value), 0) + 1
    rank = sorted(seconds)[max(-int(-part * len(seconds) // 1) - 1, 0)]
    found = Times(buckets).quantile(part)
    at = bucket(rank)
    assert (bound(at - 1) if at else 0) <= found * 1.0001
    assert found <= bound(at) * 1.0001


def test_nothing_has_no_quantile():
    assert Times({}).quantile(0.5) is None
    assert (Times({1: 2}) + Times({1: 1, 3: 1})).buckets == {1: 3, 3: 1}
