"""Reading a source that blocks, and taking the engine's answers apart."""

import threading
import time

import pytest

from farm.errors import LeaseLost
from workers.docker.api import frames, messages
from workers.docker.trace import Trace, fields
from workers.stream import watched


def calm():
    return None


def collect(items, seen):
    for item in items:
        seen.append(item)


def test_everything_comes_through_in_order_and_then_the_error():
    def source():
        yield from range(1000)
        raise KeyError("the end")

    seen = []
    with pytest.raises(KeyError, match="the end"):
        collect(watched(source(), check=calm, stop=calm), seen)
    assert seen == list(range(1000))


def test_check_is_heard_while_the_source_is_silent_and_while_it_never_is():
    released = threading.Event()

    def silent():
        released.wait(60)
        yield 1

    def loud():
        while not released.is_set():
            yield 1

    for source in (silent, loud):
        released.clear()
        calls = []

        def check(calls=calls):
            calls.append(1)
            if len(calls) == 3:
                raise LeaseLost

        begun = time.monotonic()
        with pytest.raises(LeaseLost):
            for _ in watched(source(), check=check, stop=released.set):
                pass
        assert released.is_set()
        assert time.monotonic() - begun < 30  # its source would be silent for a minute


def test_a_deadline_is_kept():
    released = threading.Event()

    def silent():
        released.wait(60)
        yield 1

    with pytest.raises(TimeoutError):
        list(watched(silent(), check=calm, stop=released.set, deadline=time.monotonic() + 0.05))


def test_a_fast_source_waits_for_a_slow_reader():
    made = []

    def source():
        for number in range(1000):
            made.append(number)
            yield number

    reader = watched(source(), check=calm, stop=calm)
    assert next(reader) == 0
    assert len(made) < 200
    reader.close()


def test_frames_and_messages_may_come_in_any_pieces():
    stream = b"\x01\0\0\0\0\0\0\x03abc" + b"\x02\0\0\0\0\0\0\0" + b"\x02\0\0\0\0\0\0\x01d"
    pieces = [stream[i : i + 1] for i in range(len(stream))]
    assert b"".join(frames(iter(pieces))) == b"abcd"
    assert b"".join(frames(iter([stream]))) == b"abcd"
    text = b'{"a":1}\r\n{"b":2}'
    assert list(messages(text[i : i + 1] for i in range(len(text)))) == [{"a": 1}, {"b": 2}]


def field(number, value):
    return bytes([number << 3 | 2, len(value)]) + value


def vertex(digest, name, *, started=False, cached=False):
    return field(
        1, field(1, digest) + field(3, name) + (b"\x20\x01" if cached else b"") + (field(5, b"") if started else b"")
    )


def test_a_trace_names_each_step_once_and_says_whose_lines_follow():
    trace = Trace()
    assert trace.read(vertex(b"i", b"[internal] load", started=True)) == b""
    assert trace.read(vertex(b"a", b"[a 1/1] RUN x")) == b""
    assert trace.read(vertex(b"a", b"[a 1/1] RUN x", started=True)) == b"[a 1/1] RUN x\n"
    assert trace.read(vertex(b"a", b"[a 1/1] RUN x", started=True)) == b""
    assert trace.read(field(3, field(1, b"a") + field(4, b"one\n"))) == b"one\n"
    assert trace.read(vertex(b"b", b"[b 1/1] RUN y", started=True)) == b"[b 1/1] RUN y\n"
    assert trace.read(field(3, field(1, b"a") + field(4, b"two\n"))) == b"[a 1/1] RUN x \xe2\x80\xa6\ntwo\n"
    assert trace.read(vertex(b"c", b"[c 1/1] RUN z", cached=True)) == b"[c 1/1] RUN z (cached)\n"


@pytest.mark.parametrize("message", [b"\x0a", b"\x0a\x05ab", b"\xff", b"\x0b"])
def test_what_is_no_message_is_refused(message):
    with pytest.raises(ValueError, match=r"cut short|wire type"):
        list(fields(message))
