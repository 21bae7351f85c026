"""Redis is killed, restarted from its AOF, frozen, full: nothing is lost, nothing doubled, nobody is robbed."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import OutOfMemoryError

from farm.errors import LeaseLost
from farm.ledger import Ledger
from farm.pipeline import Status
from tests.records import CHAIN, Farm

pytestmark = pytest.mark.redis


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answer: list[Any] = []
    thread = threading.Thread(target=lambda: answer.append(call()))
    thread.start()
    return thread, answer


def test_everything_is_there_after_a_restart(farm: Farm, redis_server) -> None:
    first, second = farm.open("-", "a"), farm.open("a", "b")
    farm.release(first)
    claim = farm.claim(second, "build")
    known = farm.push("b", "c")
    third = farm.enter(known)[0]
    before = [farm.record.pipeline(number) for number in (first, second, third)]
    redis_server.kill()
    redis_server.start()
    assert [farm.record.pipeline(number) for number in (first, second, third)] == before
    assert farm.enter(known) == [third]
    assert farm.ledger.undispatched() == [third]
    farm.record.renew(claim)
    farm.record.commit(claim, Status.PASSED, result={"image": "h/thyme@sha256:2"})
    assert farm.claim(second, "test").fence > claim.fence
    assert farm.record.intents()[0].number == first


def test_a_redis_that_lost_its_last_second_gives_no_fence_twice(farm: Farm, redis_server) -> None:
    """As one with `appendfsync everysec` may when the power goes: whoever claimed in that second is heard no more."""
    number = farm.open()
    (log,) = Path(farm.redis.config_get("dir")["dir"]).glob("appendonlydir/*.incr.aof")
    kept = log.stat().st_size
    lost = farm.claim(number, "build")
    redis_server.kill()
    os.truncate(log, kept)
    redis_server.start()
    heir = farm.claim(number, "build", "w2")
    assert heir.attempt == 1, "nothing of the first claim is left"
    with pytest.raises(LeaseLost):
        farm.record.renew(lost)
    farm.record.commit(heir, Status.PASSED)


def test_a_commit_waits_until_redis_is_back(farm: Farm, redis_server) -> None:
    number = farm.open()
    claim = farm.claim(number, "build")
    redis_server.kill()
    thread, answer = in_thread(lambda: farm.record.commit(claim, Status.PASSED))
    thread.join(0.3)
    assert thread.is_alive()
    redis_server.start()
    thread.join(60)
    assert [step.name for step in answer[0]] == ["test"]
    assert [event[1:] for event in farm.events()].count(("step", "build", "passed")) == 1


def test_a_renewal_says_at_once_that_redis_is_away(farm: Farm, redis_server) -> None:
    claim = farm.claim(farm.open(), "build")
    redis_server.kill()
    with pytest.raises(redis.ConnectionError):
        farm.record.renew(claim)


def test_a_frozen_redis_makes_nobody_look_dead(farm: Farm, redis_server) -> None:
    numbers = [farm.open("abc"[k], "bcd"[k]) for k in range(3)]
    farm.settle_reaper()
    claims = [farm.claim(number, "build") for number in numbers]
    farm.record.reap()
    redis_server.freeze()
    thread, answer = in_thread(farm.record.reap)
    time.sleep(3 * farm.record.lease)  # the frozen time itself, no wait for a condition
    redis_server.thaw()
    thread.join(60)
    assert answer == [[]]
    assert farm.record.reap() == []
    for claim in claims:
        farm.record.renew(claim)
    for claim in claims:
        farm.record.commit(claim, Status.PASSED)
    assert all(farm.step(number, "build")["attempts"] == "1" for number in numbers)


def test_a_restart_makes_nobody_look_dead(farm: Farm, redis_server, poll) -> None:
    number = farm.open()
    farm.settle_reaper()
    claim = farm.claim(number, "build")
    farm.record.reap()
    lease_end = float(farm.step(number, "build")["lease"])
    redis_server.kill()
    poll(lambda: time.time() > lease_end)
    redis_server.start()
    assert farm.record.reap() == []
    assert farm.record.claim(number, "build", "w2").verdict == "busy"
    farm.record.renew(claim)
    farm.record.commit(claim, Status.PASSED)


def test_a_worker_frozen_past_its_lease_is_refused(farm: Farm) -> None:
    """The zombie wakes up in the middle of its release."""
    number = farm.open()
    farm.settle_reaper()
    zombie = farm.to_release(number)
    assert farm.record.release_begin(zombie, "latest").go
    farm.reap_until(lambda _: farm.step(number, "release").get("offered"))
    heir = farm.claim(number, "release", "w2")
    for act in (
        lambda: farm.record.renew(zombie),
        lambda: farm.record.release_begin(zombie, "latest"),
        lambda: farm.record.release_done(zombie, "latest"),
        lambda: farm.record.commit(zombie, Status.PASSED),
    ):
        with pytest.raises(LeaseLost):
            act()
    assert farm.record.release_begin(heir, "latest").go
    assert farm.record.release_done(heir, "latest")
    farm.record.commit(heir, Status.PASSED)
    assert farm.redis.xlen("farm:releases:thyme:latest") == 1


def test_a_full_redis_refuses_pushes_and_lets_work_end(farm: Farm) -> None:
    number = farm.open()
    claim = farm.claim(number, "build")
    farm.redis.config_set("maxmemory", 1)
    push = farm.push("a", "b")
    with pytest.raises(OutOfMemoryError):
        farm.enter(push)
    farm.record.renew(claim)
    farm.record.commit(claim, Status.PASSED)
    with pytest.raises(OutOfMemoryError):
        farm.claim(number, "test")
    assert farm.record.pipeline(number).stages[0].status is Status.PASSED
    farm.redis.config_set("maxmemory", 0)
    assert farm.enter(push) == [number + 1]


def test_no_script_changes_half_of_what_it_should(farm: Farm) -> None:
    """Out of memory strikes before a script begins, never in its middle."""
    number = farm.open()
    new = farm.enter(farm.push("a", "b"))[0]
    over = farm.enter(farm.push("b", "c"))[0]
    farm.record.close(over, Status.FAILED, "definition")
    before = {key: farm.redis.dump(key) for key in farm.redis.scan_iter()}
    farm.redis.config_set("maxmemory", 1)
    for act in (
        lambda: farm.enter(farm.push("c", "d")),
        lambda: farm.record.open(new, definition="{}", steps=CHAIN, image_repository="thyme"),
        lambda: farm.record.claim(number, "build", "w1"),
        lambda: farm.record.retry(over, "jo"),
        lambda: farm.ledger.register("sage", "u", "main", {}),
    ):
        with pytest.raises(OutOfMemoryError):
            act()
    farm.redis.config_set("maxmemory", 0)
    assert {key: farm.redis.dump(key) for key in farm.redis.scan_iter()} == before


def test_a_log_waits_in_its_buffer_while_redis_is_away(farm: Farm, redis_server, monkeypatch, poll) -> None:
    monkeypatch.setattr("farm.logs.writer.ROOM", 50_000)
    monkeypatch.setattr("farm.logs.writer.PATIENCE", 0.5)
    number = farm.open()
    log = farm.logs.writer(number, "build", farm.claim(number, "build").fence)
    log.line("before")
    redis_server.kill()
    began = time.monotonic()
    for k in range(3000):
        log.write(b"line %d %s\n" % (k, b"x" * 40))
    assert time.monotonic() - began < 20
    redis_server.start()
    poll(lambda: log._has_room() and not log._slow)
    log.line("after")
    log.close()
    text = "".join(farm.logs.text(number, "build"))
    assert text.startswith("before\nline 0 ")
    assert "bytes of output were dropped" in text
    assert text.endswith("after\n")


def test_closing_a_log_gives_up_in_the_end(farm: Farm, redis_server, monkeypatch) -> None:
    monkeypatch.setattr("farm.logs.writer.FAREWELL", 0.3)
    log = farm.logs.writer(1, "build", 1)
    redis_server.kill()
    log.line("never heard")
    began = time.monotonic()
    log.close()
    assert time.monotonic() - began < 20


def test_the_end_of_a_log_waits_until_redis_is_back(farm: Farm, redis_server, monkeypatch) -> None:
    """As long as the commit behind it does, and not where somebody waits for the worker to end."""
    monkeypatch.setattr("farm.logs.writer.HURRY", 0.2)
    number = farm.open()
    fence = farm.claim(number, "build").fence
    log, hasty = farm.logs.writer(number, "build", fence), farm.logs.writer(number, "build", fence)
    redis_server.kill()
    log.line("the last word")
    hasty.line("never heard")
    hasty.hurry()
    began = time.monotonic()
    hasty.close()
    assert time.monotonic() - began < 20
    thread, _ = in_thread(log.close)
    thread.join(0.5)
    assert thread.is_alive()
    redis_server.start()
    thread.join(60)
    assert "".join(farm.logs.text(number, "build")) == "the last word\n"


def test_a_step_is_handed_back_in_vain_for_no_longer_than_a_lease(farm: Farm, redis_server) -> None:
    claim = farm.claim(farm.open(), "build")
    redis_server.kill()
    began = time.monotonic()
    with pytest.raises(redis.ConnectionError):
        farm.record.give_back(claim, "the worker shuts down", counted=False)
    assert time.monotonic() - began < 20


def test_a_hundred_pushes_over_restarts_give_a_hundred_pipelines(farm: Farm, redis_server) -> None:
    """The senders repeat what was not answered, as the hook's spool does."""
    pushes = [farm.push("a", "b", id=f"u{k}", ref=f"refs/heads/b{k % 5}") for k in range(100)]

    def send(mine: list[Any]) -> None:
        client = redis.Redis.from_url(redis_server.url, decode_responses=True)
        ledger = Ledger(client)
        for push in mine:
            while True:
                with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                    ledger.enter("thyme", [push])
                    ledger.enter("thyme", [push])
                    break
                time.sleep(0.01)
        client.close()

    threads = [threading.Thread(target=send, args=(pushes[k::4],)) for k in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        redis_server.kill()
        redis_server.start()
    for thread in threads:
        thread.join()
    assert sorted(farm.ledger.undispatched()) == list(range(1, 101))
    assert sorted(farm.ledger.push(number).id for number in range(1, 101)) == sorted(push.id for push in pushes)
