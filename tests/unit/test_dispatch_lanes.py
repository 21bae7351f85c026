import threading

import pytest

from farm.lanes import Lanes


def test_one_lane_keeps_its_order():
    lanes, seen = Lanes(4), []
    futures = [lanes.submit("a", n, lambda n=n: seen.append(n)) for n in range(50)]
    for future in futures:
        future.result(60)
    assert seen == list(range(50))


def test_a_lane_that_hangs_holds_up_only_itself():
    lanes, gate = Lanes(2), threading.Event()
    hanging = lanes.submit("a", 1, lambda: gate.wait(60))
    behind = lanes.submit("a", 2, lambda: "behind")
    assert [lanes.submit("b", 10 + n, lambda: "other").result(60) for n in range(5)] == ["other"] * 5
    assert not behind.done()
    gate.set()
    assert hanging.result(60)
    assert behind.result(60) == "behind"


def test_what_is_under_way_is_not_taken_twice():
    lanes, gate = Lanes(2), threading.Event()
    first = lanes.submit("a", 1, lambda: gate.wait(60))
    assert lanes.submit("a", 1, lambda: gate.wait(60)) is first
    gate.set()
    first.result(60)
    assert lanes.submit("a", 1, lambda: "again").result(60) == "again"


def test_errors_are_the_callers():
    def broken():
        raise ValueError("no")

    lanes = Lanes(1)
    with pytest.raises(ValueError, match="no"):
        lanes.submit("a", 1, broken).result(60)
    assert lanes.submit("a", 2, lambda: "on").result(60) == "on"


def test_after_the_close_nothing_begins():
    lanes, begun, gate = Lanes(1), threading.Event(), threading.Event()
    first = lanes.submit("a", 1, lambda: begun.set() or gate.wait(60))
    assert begun.wait(60)
    second = lanes.submit("a", 2, lambda: "never")
    lanes.close()
    assert second.cancelled()
    assert lanes.submit("b", 3, lambda: "never").cancelled()
    gate.set()
    assert first.result(60)


def test_a_group_that_hangs_holds_up_only_itself():
    lanes, gate, begun = Lanes(2), threading.Event(), threading.Semaphore(0)
    stuck = [lanes.submit(f"dead/{n}", n, lambda: begun.release() or gate.wait(60), "dead") for n in range(5)]
    assert begun.acquire(timeout=60)
    assert begun.acquire(timeout=60)
    assert lanes.submit("alive", 9, lambda: "done", "alive").result(60) == "done"
    assert sum(future.running() for future in stuck) == 2
    gate.set()
    assert all(future.result(60) for future in stuck)
