"""Two dispatchers share the loops, and no error ends one."""

import threading
from typing import Any

import pytest
from structlog.testing import capture_logs

from farm.loops import Loop, Loops
from farm.record import Record

pytestmark = pytest.mark.redis


class Work:
    """Counts its calls; breaks when told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.broken: Exception | None = None
        self.called = threading.Event()

    def __call__(self) -> float:
        self.calls += 1
        self.called.set()
        if self.broken:
            raise self.broken
        return 0.01


def test_one_holder_at_a_time_and_the_other_takes_over(redis_client: Any, poll: Any) -> None:
    record = Record(redis_client)
    first, second = Work(), Work()
    one = Loops(record.hold, [Loop("reaper", first)], lease=200)
    two = Loops(record.hold, [Loop("reaper", second)], lease=200)
    one.start()
    poll(lambda: first.calls > 3)
    two.start()
    before = first.calls
    poll(lambda: first.calls > before + 3)
    assert second.calls == 0
    one.stop()
    poll(lambda: second.calls)  # long before the lease would have ended by itself
    two.stop()
    poll(lambda: not redis_client.exists("farm:lease:reaper"))


def prolonged(client: Any, lease: str, owner: str, poll: Any) -> None:
    """Wait until a lease of 3 s is prolonged, or somebody else's."""
    # Some of it has run out first: of a lease that was just taken there is never more.
    seen = poll(lambda: (left := client.pttl(lease)) < 2900 and left)
    poll(lambda: client.pttl(lease) > seen or client.get(lease) != owner)


def test_the_lease_is_kept_during_long_work(redis_client: Any, poll: Any) -> None:
    record, gate, second = Record(redis_client), threading.Event(), Work()
    one = Loops(record.hold, [Loop("slow", lambda: gate.wait(60) and 0.01)], lease=3)
    one.start()
    poll(lambda: redis_client.get("farm:lease:slow") == one.owner)
    two = Loops(record.hold, [Loop("slow", second)], lease=3)
    two.start()
    prolonged(redis_client, "farm:lease:slow", one.owner, poll)
    assert redis_client.get("farm:lease:slow") == one.owner
    assert second.calls == 0
    gate.set()
    one.stop()
    two.stop()


def test_one_that_is_added_again_begins_when_the_old_one_has_ended_and_keeps_the_lease(
    redis_client: Any, poll: Any
) -> None:
    first, second, old, new = threading.Event(), threading.Event(), Work(), Work()

    def owner() -> Any:
        return redis_client.get("farm:lease:report")

    def kept() -> bool:
        prolonged(redis_client, "farm:lease:report", loops.owner, poll)
        return bool(owner() == loops.owner)

    def report(work: Work, gate: threading.Event) -> Loop:
        return Loop("report", lambda: (work(), gate.wait(60))[0])

    loops = Loops(Record(redis_client).hold, [report(old, first)], lease=3)
    loops.start()
    poll(old.called.is_set)
    loops.drop("report")
    loops.add(report(new, second))
    assert kept()
    assert not new.called.is_set()
    first.set()
    poll(new.called.is_set)
    assert kept()
    second.set()
    poll(lambda: new.calls > 3)
    poll(lambda: [each.name for each in threading.enumerate()].count("report") == 1)
    loops.stop()


def test_a_lease_that_is_given_up_while_it_is_prolonged_is_not_taken_again(redis_client: Any, poll: Any) -> None:
    record, prolonging, given_up = Record(redis_client), threading.Event(), threading.Event()

    def hold(name: str, holder: str, seconds: float) -> bool:
        if threading.current_thread().name == "leases" and not prolonging.is_set():
            prolonging.set()
            given_up.wait(0.5)  # it must not come before this call is done
        mine = record.hold(name, holder, seconds)
        if seconds < lease:
            given_up.set()
        return mine

    lease, work = 0.3, threading.Event()
    loops = Loops(hold, [Loop("report", lambda: work.wait(60) and 0.01)], lease=lease)
    loops.start()
    poll(prolonging.is_set)
    loops.drop("report")
    work.set()
    poll(given_up.is_set)
    poll(lambda: not redis_client.exists("farm:lease:report"))  # one taken again would be prolonged for ever
    loops.stop()


def test_an_error_is_logged_once_and_ends_nothing(redis_client: Any, poll: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("farm.loops.PAUSE", 0.01)
    work = Work()
    work.broken = ValueError("broken")
    with capture_logs() as said:
        loops = Loops(Record(redis_client).hold, [Loop("reaper", work)])
        loops.start()
        poll(lambda: work.calls > 3)
        work.broken = None
        before = work.calls
        poll(lambda: work.calls > before + 3)
        loops.stop()
    assert [entry["event"] for entry in said] == ["loop.failed"]


def test_redis_away_ends_nothing(redis_server: Any, redis_client: Any, poll: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("farm.loops.PAUSE", 0.01)
    work = Work()
    loops = Loops(Record(redis_client).hold, [Loop("reaper", work)])
    with capture_logs():
        loops.start()
        poll(lambda: work.calls)
        redis_server.kill()
        redis_server.start()
        before = work.calls
        poll(lambda: work.calls > before + 3)
        loops.stop()
