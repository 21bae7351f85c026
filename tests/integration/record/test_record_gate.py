"""A worker takes work only while it may: not drained, not put aside after errors, not what is better left to others."""

import pytest

from farm.errors import Refused
from farm.pipeline import Status
from farm.record import WorkerInfo

pytestmark = pytest.mark.redis
QUEUES = ("build", "test", "release")


def beat(farm, *names: str, closed: str | None = None):
    for name in names:
        farm.record.beat(WorkerInfo(name, name.partition("@")[2], 2, (), QUEUES, closed=closed))


def closed(farm):
    return {worker.name: worker.closed for worker in farm.record.workers()}


def err(farm, number, worker, reason="the disk is broken"):
    """Let a worker end a new attempt at a build in an error of the farm, and let its pause be over."""
    claim = farm.record.claim(number, "build", worker)
    assert claim.go, claim.verdict
    status = farm.record.give_back(claim, reason)
    ready_now(farm, number)
    return status


def ready_now(farm, number, step="build"):
    farm.redis.hset(f"farm:pipeline:{number}:step:{step}", "ready", farm.now() - 1)


def work(farm, number, worker):
    claim = farm.claim(number, "build", worker)
    farm.record.commit(claim, Status.PASSED, result={"image": "host:5000/thyme@sha256:1"})


def test_a_drained_worker_takes_nothing_until_that_is_undone(farm):
    beat(farm, "w1@c1", "w1@c2")
    number = farm.open()
    farm.record.drain("w1@c1", "ada")
    assert farm.record.claim(number, "build", "w1@c1").verdict == "elsewhere"
    assert closed(farm) == {"w1@c1": "is drained by ada", "w1@c2": None}
    assert [worker.drained for worker in farm.record.workers()] == [True, False]
    assert {queue.consumers for queue in farm.record.queues()} == {("w1@c2",)}
    assert farm.record.beat(WorkerInfo("w1@c1", "c1", 2, (), QUEUES)) == "is drained by ada"
    farm.record.drain("w1@c1", "bob")
    assert closed(farm)["w1@c1"] == "is drained by ada"
    farm.record.drain("w1@c1", "bob", undo=True)
    assert farm.record.claim(number, "build", "w1@c1").go
    assert farm.record.beat(WorkerInfo("w1@c1", "c1", 2, (), QUEUES)) is None


def test_a_worker_that_ends_in_order_is_not_missed_and_stays_drained(farm):
    beat(farm, "w1@c1", "w1@c2")
    farm.record.drain("w1@c1", "ada")
    farm.record.leave("w1@c1")
    assert [worker.name for worker in farm.record.workers(silence=86400)] == ["w1@c2"]
    beat(farm, "w1@c1")
    assert closed(farm)["w1@c1"] == "is drained by ada"


def test_a_drained_worker_ends_what_it_has(farm):
    beat(farm, "w1@c1")
    number = farm.open()
    claim = farm.claim(number, "build", "w1@c1")
    farm.record.drain("w1@c1", "ada")
    farm.record.renew(claim)
    farm.record.commit(claim, Status.PASSED, result={"image": "host:5000/thyme@sha256:1"})
    assert farm.step(number, "build")["status"] == "passed"


def test_a_repeated_claim_is_answered_the_same_although_a_drain_came_between(farm):
    beat(farm, "w1@c1")
    number = farm.open()
    arguments = ("claim", number, "build", "w1@c1", 9, 1, "one request")
    first = farm.record.scripts.run(*arguments)
    farm.record.drain("w1@c1", "ada")
    assert farm.record.scripts.run(*arguments) == first


def test_only_a_worker_that_was_heard_of_is_drained(farm):
    with pytest.raises(Refused, match="there is no worker w9@c9"):
        farm.record.drain("w9@c9", "ada")


def test_waiting_says_why_nobody_takes_it(farm):
    number = farm.open()
    assert farm.record.waiting(number) == "no worker serves `build`"
    beat(farm, "w1@c1", closed="has 1.2 GiB left on the disk of /var/lib/docker, less than 2.0 GiB")
    beat(farm, "w1@c2")
    assert farm.record.waiting(number) == "next in `build`, once a worker is free"
    farm.record.drain("w1@c2", "ada")
    assert farm.record.waiting(number) == (
        "no worker that serves `build` takes work: w1@c1 has 1.2 GiB left on the disk of /var/lib/docker, "
        "less than 2.0 GiB; w1@c2 is drained by ada"
    )


def test_a_step_that_errored_is_tried_elsewhere_first(farm):
    beat(farm, "w1@c1", "w1@c2")
    number = farm.open()
    err(farm, number, "w1@c1")
    assert farm.record.claim(number, "build", "w1@c1").verdict == "elsewhere"
    assert farm.record.claim(number, "build", "w1@c2").go


@pytest.mark.parametrize("other", ["closed", "drained", "of other queues", "gone"])
def test_a_step_that_errored_stays_where_nobody_else_can_take_it(farm, other):
    beat(farm, "w1@c1")
    if other == "of other queues":
        farm.record.beat(WorkerInfo("w1@c2", "c2", 2, (), ("test",)))
    else:
        beat(farm, "w1@c2", closed="has no Docker Engine that answers" if other == "closed" else None)
    if other == "drained":
        farm.record.drain("w1@c2", "ada")
    if other == "gone":
        farm.redis.zadd("farm:workers", {"w1@c2": farm.now() - 60})
    number = farm.open()
    err(farm, number, "w1@c1")
    assert farm.record.claim(number, "build", "w1@c1").go


def test_a_step_that_nobody_else_takes_goes_on_after_a_while(farm):
    beat(farm, "w1@c1", "w1@c2")
    number = farm.open()
    err(farm, number, "w1@c1")
    until = float(farm.step(number, "build")["avoid_until"])
    assert 5 < until - farm.now() < 8  # the pause of two seconds and five more
    farm.redis.hset(f"farm:pipeline:{number}:step:build", "avoid_until", farm.now() - 1)
    assert farm.record.claim(number, "build", "w1@c1").go


def test_a_worker_is_put_aside_after_three_errors_while_others_get_on(farm):
    numbers = [farm.open(new=new, ref=f"refs/heads/{new}") for new in "abcd"]
    beat(farm, "w1@c1", "w1@c2")
    for number in numbers[:3]:
        assert closed(farm)["w1@c1"] is None
        err(farm, number, "w1@c1")
        work(farm, number, "w1@c2")
    assert closed(farm) == {
        "w1@c1": "is put aside for 30 s after 3 steps in a row that it could not do: the disk is broken",
        "w1@c2": None,
    }
    assert farm.record.claim(numbers[3], "build", "w1@c1").verdict == "elsewhere"
    assert farm.record.claim(numbers[3], "build", "w1@c2").go


def test_the_pauses_grow_to_a_quarter_of_an_hour_and_a_success_ends_them(farm):
    beat(farm, "w1@c1", "w1@c2")
    pauses = []
    for new in "abcdefghij":
        number = farm.open(new=new, ref=f"refs/heads/{new}")
        err(farm, number, "w1@c1")
        if until := farm.redis.hget("farm:gate:w1@c1", "aside"):
            pauses.append(round(float(until) - farm.now()))
            farm.redis.hset("farm:gate:w1@c1", "aside", farm.now() - 1)
        work(farm, number, "w1@c2")
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900]
    work(farm, farm.open(new="k", ref="refs/heads/k"), "w1@c1")
    err(farm, farm.open(new="l", ref="refs/heads/l"), "w1@c1")
    assert closed(farm)["w1@c1"] is None


def test_nobody_is_put_aside_for_what_hits_all(farm):
    """The registry is away: no worker gets anything done, and none would do better than another."""
    beat(farm, "w1@c1", "w1@c2")
    work(farm, farm.open(new="z", ref="refs/heads/z"), "w1@c2")
    for new in "abcdefgh":
        err(farm, farm.open(new=new, ref=f"refs/heads/{new}"), "w1@c1" if new in "aceg" else "w1@c2")
    assert closed(farm) == {"w1@c1": None, "w1@c2": None}


def test_steps_that_one_fault_hit_at_once_count_as_one(farm):
    beat(farm, "w1@c1", "w1@c2")
    claims = [farm.claim(farm.open(new=new, ref=f"refs/heads/{new}"), "build", "w1@c1") for new in "abcdef"]
    work(farm, farm.open(new="z", ref="refs/heads/z"), "w1@c2")
    for claim in claims:
        farm.record.give_back(claim, "the engine died")
        work(farm, farm.open(new=claim.commit[0], ref=f"refs/heads/z{claim.number}"), "w1@c2")
    assert farm.redis.hget("farm:gate:w1@c1", "errors") == "1"


def test_a_worker_that_hands_back_because_it_ends_is_not_blamed(farm):
    beat(farm, "w1@c1", "w1@c2")
    claim = farm.claim(farm.open(), "build", "w1@c1")
    farm.record.give_back(claim, "the worker shuts down", counted=False)
    assert not farm.redis.exists("farm:gate:w1@c1")
    assert farm.record.claim(claim.number, "build", "w1@c1").go


def test_only_a_success_at_the_same_stage_shows_that_a_worker_is_well(farm):
    beat(farm, "w1@c1", "w1@c2")
    number = farm.open()
    err(farm, number, "w1@c1")
    work(farm, number, "w1@c2")
    farm.pass_step(number, "test", "w1@c1")
    farm.pass_step(number, "release", "w1@c1")
    assert farm.redis.hget("farm:gate:w1@c1", "errors") == "1"
    work(farm, farm.open(new="b", ref="refs/heads/b"), "w1@c1")
    assert not farm.redis.exists("farm:gate:w1@c1")
