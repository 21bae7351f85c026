"""Whole lines from bytes as they come, and chunks in and out of a packed entry."""

import pytest
from hypothesis import given, strategies as st

from farm.logs.lines import LONGEST, Lines
from farm.logs.pages import LogChunk, Packed


def all_of(lines: Lines, limit: int = 1 << 20) -> str:
    text = ""
    while (taken := lines.take(limit))[0]:
        assert taken[0] == taken[1].count("\n")
        text += taken[1]
    return text


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 7))
def test_bytes_in_any_pieces_give_the_same_lines(text: str, size: int) -> None:
    lines, data = Lines(), text.encode()
    for start in range(0, len(data), size):
        lines.feed(data[start : start + size])
    lines.feed(b"", last=True)
    assert all_of(lines) == (text if text.endswith("\n") or not text else text + "\n")
    assert lines.size == 0


@given(st.binary())
def test_any_bytes_become_text(data: bytes) -> None:
    lines = Lines()
    lines.feed(data, last=True)
    assert all_of(lines).rstrip("\n") == data.decode("utf-8", "replace").rstrip("\n")


def test_an_unfinished_line_waits_for_its_end() -> None:
    lines = Lines()
    lines.feed(b"one\ntw")
    assert all_of(lines) == "one\n"
    lines.feed(b"o\x1b[31m\n")
    assert all_of(lines) == "two\x1b[31m\n"


def test_an_endless_line_is_cut() -> None:
    lines = Lines()
    lines.feed(b"x" * (3 * LONGEST + 5))
    assert all_of(lines).count("\n") == 3
    lines.feed(b"y\nz", last=True)
    assert all_of(lines) == "xxxxxy\nz\n"


def test_a_bite_is_about_as_large_as_asked() -> None:
    lines = Lines()
    lines.feed(b"1234\n" * 10)
    assert lines.take(12) == (2, "1234\n1234\n")
    assert lines.take(1) == (1, "1234\n")


def test_packed_chunks_keep_lines_and_times() -> None:
    chunks = [LogChunk("2", 1, 10.5, "a\nb\n"), LogChunk("3", 3, 11.25, "ü\n"), LogChunk("5", 4, 12.0, "\n\n")]
    packed = Packed.of(chunks)
    entry = (b"5-0", [b"f", b"1", b"s", str(packed.size).encode(), b"t", packed.marks.encode(), b"z", packed.data])
    again = Packed.read(entry)
    assert list(again.chunks()) == chunks
    assert list(again.chunks(after=1)) == [LogChunk("2", 2, 10.5, "b\n"), *chunks[1:]]
    assert list(again.chunks(after=4)) == [LogChunk("5", 5, 12.0, "\n")]


@pytest.mark.parametrize("after", [5, 9])
def test_nothing_is_behind_the_end(after: int) -> None:
    assert list(Packed.of([LogChunk("5", 4, 1.0, "a\nb\n")]).chunks(after)) == []
