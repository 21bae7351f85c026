"""Retention: what is forgotten leaves nothing but what a push is known by, and neither order nor marks change."""

import time

import pytest

from farm.errors import Refused
from farm.pipeline import Status, Step
from farm.push import Push
from tests.records import MAIN, Farm, oid

pytestmark = pytest.mark.redis
BUILD = (Step("build", "build"),)
DAY = 86400


def shift(farm: Farm, key: str, seconds: float) -> None:
    """Let the members of a sorted set be so much older."""
    for member in farm.redis.zrange(key, 0, -1):
        farm.redis.zincrby(key, -seconds, member)


@pytest.mark.long
def test_ten_thousand_pipelines_go_and_leave_no_key(farm: Farm) -> None:
    pushes = [
        Push(f"uuid-{n:05}", "thyme", f"refs/heads/b{n % 500}", f"{n:040x}", f"{n + 500:040x}") for n in range(10_000)
    ]
    numbers: list[int] = []
    for start in range(0, len(pushes), 500):
        numbers += [entry.number for entry in farm.ledger.enter("thyme", pushes[start : start + 500])]
    for number in numbers[::4]:
        farm.record.open(number, definition="{}", steps=BUILD, image_repository="thyme")
    for number in numbers[:9_990]:
        farm.record.cancel(number, "jo")
    for number in numbers[-20:-10]:
        farm.redis.set(f"farm:log:{number}:build:kept", "by nobody")  # so that the search below is shown to find keys
    began = time.monotonic()
    assert farm.record.forget(days=90, keep=500) == 9_490
    assert time.monotonic() - began < 30, "a second or two on an idle machine"
    left = {pipeline.number for pipeline in farm.record.pipelines(limit=1000)}
    assert left == set(numbers[9_490:])
    gone = {str(number) for number in numbers[:9_490]}
    for key in farm.redis.scan_iter("farm:*", count=5000):
        name, _, rest = key.removeprefix("farm:").partition(":")
        if name in ("pipeline", "log"):
            assert rest.split(":")[0] not in gone, key
        elif farm.redis.type(key) == "zset" and name != "known":
            members = {member.split(" ")[0] for member in farm.redis.zrange(key, 0, -1)}
            assert not members & gone, key
    assert farm.redis.keys("farm:log:*:kept")


def test_a_delivery_again_of_a_forgotten_push_is_known_for_ninety_days(farm: Farm) -> None:
    push = farm.push("-", "a")
    (number,) = farm.enter(push)
    farm.record.close(number, Status.SKIPPED, "")
    farm.record.forget(days=0, keep=1)
    with pytest.raises(Refused):
        farm.record.pipeline(number)
    assert 89 * DAY < farm.redis.ttl(f"farm:push:{push.id}") <= 90 * DAY
    (entry,) = farm.ledger.enter("thyme", [push])
    assert (entry.number, entry.known) == (number, True)
    assert farm.ledger.undispatched() == []


def test_what_a_push_is_known_by_goes_in_the_end(farm: Farm) -> None:
    for number in farm.enter(farm.push("-", "a"), farm.push("a", "b")):
        farm.record.close(number, Status.SKIPPED, "")
    assert farm.record.forget(days=0, keep=1) == 2
    occurrences = f"farm:occurrences:thyme:{MAIN}"
    assert farm.redis.hlen(occurrences) > 0
    shift(farm, "farm:known", 91 * DAY)
    farm.record.forget(days=0, keep=1)
    assert not farm.redis.hexists(occurrences, f"{oid('-')} {oid('a')}")
    assert farm.redis.zcard("farm:known") == 0


def test_a_pair_that_still_has_a_pipeline_stays_known(farm: Farm) -> None:
    first = farm.enter(farm.push("a", "b"))[0]
    farm.record.close(first, Status.SKIPPED, "")
    farm.enter(farm.push("b", "a"), farm.push("a", "b"))
    farm.record.forget(days=0, keep=1)
    shift(farm, "farm:known", 91 * DAY)
    farm.record.forget(days=0, keep=1)
    assert farm.redis.hexists(f"farm:occurrences:thyme:{MAIN}", f"{oid('a')} {oid('b')}")


def test_what_a_branch_released_last_stays(farm: Farm) -> None:
    """People have its image: they look at it, and reporters are told of its drift."""
    letters = "-abcd"
    numbers = [farm.open(letters[k], letters[k + 1]) for k in range(4)]
    for number in numbers:
        farm.release(number)
    assert farm.record.forget(days=0, keep=1) == 3
    assert farm.order() == [numbers[3]]
    farm.record.rollback("thyme", "latest", numbers[1], "jo")  # which is forgotten
    assert farm.record.forget(days=0, keep=1) == 1
    assert farm.order() == []
    newest = farm.open("d", "e")
    farm.release(newest)
    assert farm.record.intents()[0].number == newest


def test_what_many_refs_released_last_takes_no_place_of_the_newest(farm: Farm) -> None:
    for k in range(3):
        farm.release(farm.open("-", "abc"[k], ref=f"refs/tags/v{k}"), tag=f"v{k}")
    newest = farm.enter(farm.push("-", "a"), farm.push("a", "b"))
    for number in newest:
        farm.record.close(number, Status.SKIPPED, "")
    for _ in range(3):
        farm.record.forget(days=90, keep=2)
    assert farm.order() == newest


def test_the_newest_may_be_forgotten_before_an_older_one(farm: Farm) -> None:
    """What ran long is older in the order, and finished later."""
    first, slow, quick = farm.open("-", "x"), farm.open("x", "a"), farm.open("a", "b")
    farm.release(first)
    farm.release(quick)
    farm.record.rollback("thyme", "latest", first, "jo")
    farm.record.forget(days=0, keep=1)
    assert farm.order() == [first, slow]
    newest = farm.open("b", "c")
    farm.release(newest)
    assert farm.record.release_begin(farm.to_release(slow), "latest").winner == newest


def test_a_mark_keeps_the_place_that_its_pipeline_had_last(farm: Farm) -> None:
    first, older, marked = farm.open("-", "x"), farm.open("x", "a"), farm.open("a", "b")
    farm.release(first)
    farm.release(marked)
    farm.record.rollback("thyme", "latest", first, "jo")
    farm.redis.zadd(f"farm:ref:thyme:{MAIN}", {str(older): 4.5, str(marked): 5.0})  # moved up to make room
    farm.record.forget(days=0, keep=1)
    assert farm.record.release_begin(farm.to_release(older), "latest").winner == marked


def test_a_forgotten_release_is_still_a_release(farm: Farm) -> None:
    first, second = farm.open("-", "a"), farm.open("a", "b")
    farm.release(first)
    farm.release(second)
    farm.record.forget(days=0, keep=1)
    assert farm.record.rollback("thyme", "latest", None, "jo").number == first


def test_git_s_reflog_offers_a_forgotten_push_in_vain(farm: Farm) -> None:
    lines = ["1700000000-0", "1700000001-0"]
    pushes = [farm.push("-", "a", line=lines[0]), farm.push("a", "b", line=lines[1])]
    numbers = farm.enter(*pushes)
    for number in numbers:
        farm.record.close(number, Status.SKIPPED, "")
    farm.record.forget(days=0, keep=1)
    offered = [
        farm.push("-", "a", line=lines[0], source="reflog"),
        farm.push("a", "b", line=lines[1], source="reflog"),
    ]
    entries = farm.ledger.enter("thyme", offered)
    assert [(entry.number, entry.known) for entry in entries] == [(number, True) for number in numbers]
    assert farm.record.pipelines() == []
