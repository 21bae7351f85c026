"""A step's log in Redis: numbered, fenced, capped, resumed, packed."""

import threading
import time
import zlib
from dataclasses import replace

import pytest

from farm.errors import Refused
from farm.logs import Logs
from farm.pipeline import Status
from tests.records import Farm

pytestmark = pytest.mark.redis


def numbered(text: str) -> list[int]:
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith("line ")]


def text_of(logs: Logs, number: int, step: str = "build") -> str:
    return "".join(logs.text(number, step))


def stored(farm: Farm) -> int:
    """What all streams hold, counted anew."""
    keys = [key for key in farm.logs.redis.scan_iter("farm:log:*") if not key.endswith(b":meta")]
    entries = [fields for key in keys for _, fields in farm.logs.redis.xrange(key)]
    return sum(len(fields[b"z"]) + 200 for fields in entries)


def test_lines_come_out_as_they_went_in(farm: Farm) -> None:
    number = farm.open()
    claim = farm.claim(number, "build")
    with farm.logs.writer(number, "build", claim.fence) as log:
        log.line("--- attempt 1 on w1 ---")
        log.write(b"caf\xc3")
        log.write(b"\xa9 \xff \x1b[31mred\x1b[0m\r\nno end")
    page = farm.logs.read(number, "build")
    assert "".join(chunk.text for chunk in page.chunks) == (
        "--- attempt 1 on w1 ---\ncafé � \x1b[31mred\x1b[0m\r\nno end\n"
    )
    assert (page.chunks[0].line, page.cursor, page.complete, page.dropped) == (1, "3", False, 0)
    assert abs(page.chunks[0].time - farm.now()) < 60
    assert farm.logs.read(number, "build", page.cursor).chunks == []
    farm.record.commit(claim, Status.PASSED)
    assert farm.logs.read(number, "build", page.cursor).complete


def test_a_log_is_seen_while_it_is_written(farm: Farm, poll) -> None:
    number = farm.open()
    log = farm.logs.writer(number, "build", farm.claim(number, "build").fence)
    log.line("first")
    page = poll(lambda: p if (p := farm.logs.read(number, "build")).chunks else None)
    assert page.chunks[0].text == "first\n"
    log.line("second")
    page = poll(lambda: p if (p := farm.logs.read(number, "build", page.cursor)).chunks else None)
    assert (page.chunks[0].text, page.chunks[0].line) == ("second\n", 2)
    log.close()


def test_only_the_newest_fence_is_heard_and_numbers_go_on(farm: Farm) -> None:
    number = farm.open()
    first = farm.claim(number, "build")
    zombie = farm.logs.writer(number, "build", first.fence)
    with farm.logs.writer(number, "build", first.fence) as log:
        log.line("first attempt")
    farm.record.give_back(first, "w1 shuts down", counted=False)
    second = farm.claim(number, "build")
    zombie.line("from the grave")
    zombie.close()
    zombie.line("even later")
    with farm.logs.writer(number, "build", second.fence) as log:
        log.line("second attempt")
    assert text_of(farm.logs, number) == "first attempt\nsecond attempt\n"
    assert [chunk.line for chunk in farm.logs.read(number, "build").chunks] == [1, 2]


def test_a_chunk_whose_reply_was_lost_is_stored_once(farm: Farm) -> None:
    number = farm.open()
    fence = farm.claim(number, "build").fence
    scripts = farm.logs._scripts
    for _ in range(2):
        data = zlib.compress(b"once\n")
        assert scripts.run("log_append", number, "build", fence, "r1", 1, 5, data, 1000, 1000, 100000) == 1
    assert text_of(farm.logs, number) == "once\n"


def test_of_a_long_log_head_and_tail_are_kept(farm: Farm) -> None:
    logs = Logs(farm.redis, head=100_000, tail=100_000)
    number = farm.open()
    claim = farm.claim(number, "build")
    with logs.writer(number, "build", claim.fence) as log:
        for start in range(0, 100_000, 1000):
            log.write(b"".join(b"line %07d %s\n" % (k, b"x" * 20) for k in range(start, start + 1000)))
    lines = numbered(text_of(logs, number))
    assert lines[:1000] == list(range(1000))
    assert lines[-1000:] == list(range(99_000, 100_000))
    assert 1500 < len(lines) < 6100
    page = logs.read(number, "build", limit=1 << 30)
    assert page.dropped == 100_000 - len(lines)
    assert f"--- {page.dropped} lines were left out here ---" in text_of(logs, number)
    assert page.cursor == "100000"
    assert stored(farm) == int(farm.redis.get("farm:logs:bytes"))
    logs.close()


def test_the_budget_takes_the_oldest_finished_log_first(farm: Farm) -> None:
    logs = Logs(farm.redis)
    numbers = [farm.open("abcdef"[k], "bcdefg"[k]) for k in range(4)]

    def write(number: int, end: bool) -> None:
        claim = farm.claim(number, "build")
        with logs.writer(number, "build", claim.fence) as log:
            log.write(b"".join(b"line %d %s\n" % (k, str(hash(str(k))).encode() * 5) for k in range(400)))
        if end:
            farm.record.commit(claim, Status.PASSED)

    write(numbers[0], end=True)
    logs.budget = int(farm.redis.get("farm:logs:bytes")) * 5 // 2
    write(numbers[1], end=False)
    write(numbers[2], end=True)
    assert int(farm.redis.get("farm:logs:bytes")) <= logs.budget
    write(numbers[3], end=True)
    assert logs.read(numbers[0], "build").dropped == 400
    assert "removed to save room" in text_of(logs, numbers[0])
    for number in (numbers[1], numbers[3]):
        assert numbered(text_of(logs, number)) == list(range(400))
    assert stored(farm) == int(farm.redis.get("farm:logs:bytes"))
    logs.close()


def test_running_logs_alone_never_pass_the_budget(farm: Farm) -> None:
    logs = Logs(farm.redis, head=10_000, budget=30_000)
    claims = [farm.claim(farm.open(), "build") for _ in range(3)]
    for claim in claims:
        with logs.writer(claim.number, "build", claim.fence) as log:
            for k in range(40):
                log.write(b"".join(b"line %d %s\n" % (k, str(hash(str((k, j)))).encode()) for j in range(100)))
    assert int(farm.redis.get("farm:logs:bytes")) <= 30_000
    assert stored(farm) == int(farm.redis.get("farm:logs:bytes"))
    logs.close()


def test_packing_keeps_text_numbers_and_cursors(farm: Farm) -> None:
    number = farm.open()
    claim = farm.claim(number, "build")
    scripts = farm.logs._scripts
    for k in range(1, 201):
        raw = b"line %d\n" % k
        scripts.run("log_append", number, "build", claim.fence, k, 1, len(raw), zlib.compress(raw), 9999, 9999, 1 << 20)
    before = farm.logs.read(number, "build")
    farm.logs.complete(number, "build")
    assert farm.redis.xlen(f"farm:log:{number}:build") == 200  # it still grows
    farm.record.commit(claim, Status.PASSED)
    size = int(farm.redis.get("farm:logs:bytes"))
    farm.logs.complete(number, "build")
    assert farm.redis.xlen(f"farm:log:{number}:build") == 1
    assert stored(farm) == int(farm.redis.get("farm:logs:bytes")) < size / 10
    after = farm.logs.read(number, "build")
    assert [replace(chunk, time=0) for chunk in after.chunks] == [replace(chunk, time=0) for chunk in before.chunks]
    assert farm.logs.read(number, "build", "150").chunks[0].text == "line 151\n"
    farm.logs.complete(number, "test")


def test_a_cursor_is_a_number(farm: Farm) -> None:
    with pytest.raises(Refused, match="no place in a log"):
        farm.logs.read(1, "build", "x;y")
    assert farm.logs.read(77, "build").complete


def test_writing_from_many_threads_loses_nothing(farm: Farm) -> None:
    number = farm.open()
    log = farm.logs.writer(number, "build", farm.claim(number, "build").fence)

    def write(k: int) -> None:
        for j in range(200):
            log.write(b"line %d\n" % (k * 200 + j))

    threads = [threading.Thread(target=write, args=(k,)) for k in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert sorted(numbered(text_of(farm.logs, number))) == list(range(1000))


def test_a_flood_is_taken_in_reasonable_time(farm: Farm) -> None:
    logs = Logs(farm.redis, head=1 << 20, tail=1 << 20)
    number = farm.open()
    began = time.monotonic()
    with logs.writer(number, "build", farm.claim(number, "build").fence) as log:
        block = b"the quick brown fox jumps over the lazy dog %d\n" % began
        for _ in range(1000):
            log.write(block * 500)  # 25 kB
    assert time.monotonic() - began < 60  # about a second where nothing else runs
    assert logs.read(number, "build", "499990").cursor == "500000"
    assert int(farm.redis.get("farm:logs:bytes")) < 2 << 20
    logs.close()
