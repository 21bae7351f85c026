"""Repositories share the workers: whose turn is when, by how much each has on its way."""

import pytest

from farm.pipeline import Status, Step
from farm.record import WorkerInfo
from tests.records import CHAIN

pytestmark = pytest.mark.redis


@pytest.fixture
def many(farm):
    """Open so many pipelines of a repository at once."""
    farm.ledger.register("mint", "file:///srv/mint.git", "main", {})

    def many(count, repository="thyme", steps=None):
        numbers = []
        for _ in range(count):
            push = farm.push("-", "a", ref=f"refs/heads/b{farm.redis.incr('test')}", repository=repository)
            (entry,) = farm.ledger.enter(repository, [push])
            more = {} if steps is None else {"steps": steps}
            numbers.append(open_(farm, entry.number, **more))
        return numbers

    return many


def open_(farm, number, steps=CHAIN):
    assert farm.record.open(number, definition="{}", steps=steps, image_repository="thyme")
    return number


def priority(farm, number, step="build"):
    return farm.record.priority(number, step)


def test_the_more_a_repository_has_on_its_way_the_later_is_its_turn(farm, many):
    found = [priority(farm, number) for number in many(60)]
    assert found[:9] == [0, 1, 2, 3, 3, 4, 4, 4, 5]
    assert found == sorted(found)
    assert found[54:] == [8, 9, 9, 9, 9, 9]
    assert [priority(farm, number) for number in many(2, "mint")] == [0, 1]


def test_what_is_over_is_not_before_anybody(farm, many):
    first, second = many(2)
    farm.record.cancel(first, "me")
    work = farm.claim(second, "build")
    farm.record.commit(work, Status.FAILED, reason="no")
    assert [priority(farm, number) for number in many(2)] == [0, 1]
    farm.record.retry(first, "me")
    assert priority(farm, many(1)[0]) == 3
    assert farm.redis.zcard("farm:unfinished:thyme") == 4


def test_none_overtakes_an_older_one_of_its_repository(farm, many):
    numbers = many(40)
    assert priority(farm, numbers[-1]) == 8
    for number in numbers[:34]:
        farm.record.cancel(number, "me")
    assert [priority(farm, number) for number in many(2)] == [8, 8]
    assert priority(farm, many(1, "mint")[0]) == 0


def test_what_a_pipeline_has_begun_goes_on_first(farm, many):
    numbers = many(10)
    farm.record.commit(farm.claim(numbers[9], "build"), Status.PASSED, result={"image": "host/thyme@sha256:1"})
    assert priority(farm, numbers[9], "test") == 0


def test_the_jobs_of_one_pipeline_queue_up_behind_each_other(farm, many):
    jobs = [Step(f"test/{number}", "test", ("build",)) for number in range(10)]
    (number,) = many(1, steps=[Step("build", "build"), *jobs])
    ready = farm.record.commit(farm.claim(number, "build"), Status.PASSED, result={"image": "host/thyme@sha256:1"})
    assert [step.priority for step in ready] == [0, 1, 2, 3, 3, 4, 4, 4, 5, 5]


def test_the_reaper_sends_again_what_came_much_nearer_to_its_turn(hasty):
    farm = hasty
    numbers = [
        open_(farm, farm.enter(farm.push("-", "a", ref=f"refs/heads/{count}"), ref=f"refs/heads/{count}")[0])
        for count in range(12)
    ]
    last = numbers[-1]
    for name in ("build", *(f"build\x06\x16{grade}" for grade in range(1, 10))):
        farm.redis.lpush(name, *["a message"] * 2)  # the broker has lost none, and keeps a list a priority
    assert priority(farm, last) == 5
    farm.settle_reaper()
    assert not [wake for wake in farm.record.reap() if wake.number == last]
    for number in numbers[:11]:
        farm.record.cancel(number, "me")
    wakes = farm.reap_until(lambda wakes: any(wake.number == last for wake in wakes))
    assert [step.priority for wake in wakes if wake.number == last for step in wake.steps] == [0, 0, 0]
    assert priority(farm, last) == 0


def test_those_ahead_are_counted_by_their_turn(farm, many):
    many(5)
    late = many(1)[0]
    other = many(2, "mint")[1]
    farm.record.beat(WorkerInfo("w1@c1", "c1", 2, (), ("build", "test", "release")))
    assert farm.record.waiting(other) == "3 ahead in `build`"  # thyme's first two, and mint's first
    assert farm.record.waiting(late) == "7 ahead in `build`"
