"""Masking: no form of a value gets through, however the output is cut, and nothing else changes."""

import base64
import json
import re
import subprocess
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings, strategies as st

from workers.mask import Mask, Stream

VALUE = "s3cr3t/+ töken\"'&<\\"
LINES = "-----BEGIN THING-----\nMIIabcdefgh0123456789\n+/zz\n-----END THING-----\n"


def streamed(mask: Mask, *pieces: bytes) -> bytes:
    said: list[bytes] = []
    stream = Stream(mask, said.append)
    for piece in pieces:
        stream(piece)
    stream.end()
    return b"".join(said)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(at)]


FORMS = {
    "plain": VALUE,
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "base64 for urls": base64.urlsafe_b64encode(VALUE.encode()).decode(),
    "percent": quote(VALUE, safe=""),
    "percent, small letters": re.sub("%..", lambda escape: escape[0].lower(), quote(VALUE, safe="")),
    "form": quote_plus(VALUE),
    "json": json.dumps(VALUE)[1:-1],
    "json with letters": json.dumps(VALUE, ensure_ascii=False)[1:-1],
    "json of php": json.dumps(VALUE)[1:-1].replace("/", "\\/"),
    "shell": VALUE.replace("'", "'\\''"),
    "hex": VALUE.encode().hex(),
    "xml": VALUE.replace("&", "&amp;").replace("<", "&lt;"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_form_of_a_value_is_masked(form: str):
    said = Mask([VALUE]).text(f"before {form} behind")
    assert said.startswith("before ***")
    assert said.endswith(" behind")
    assert len(said) <= len("before ******* behind")


@pytest.mark.parametrize("before", ["", "a", "ab", "user:"])
@pytest.mark.parametrize("behind", ["", "x", "yz", "\n"])
def test_what_was_encoded_with_something_around_it_is_masked(before: str, behind: str):
    value = "hunter-two-and-three"
    coded = base64.b64encode(f"{before}{value}{behind}".encode()).decode()
    said = Mask([value]).text(coded)
    assert "***" in said
    assert len(said) <= 3 + 4 + (len(before) + len(behind)) * 8 // 6 + 3


def test_each_line_of_a_value_is_masked_and_what_is_too_short_is_not():
    said = Mask([LINES]).text("MIIabcdefgh0123456789 alone, +/zz alone, and a } brace")
    assert said == "*** alone, *** alone, and a } brace"
    assert Mask(["ab\nlong-enough"]).text("ab long-enough") == "ab ***"


@pytest.mark.parametrize("width", [64, 76])
def test_base64_that_is_wrapped_is_masked(width: int):
    value = "".join(chr(33 + number % 90) for number in range(300))
    coded = subprocess.run(["base64", f"-w{width}"], input=value.encode(), capture_output=True, check=True).stdout
    assert set(Mask([value]).text(coded.decode())) == {"*", "\n"}


def test_values_that_overlap_leave_no_rest():
    mask = Mask(["xxab", "abyy", "abyyzz"])
    for pieces in ([b"-xxabyyzz-"], [b"-xxab", b"yyzz-"], [b"-xxabyy", b"zz-"], [b"-xxa", b"b", b"yy", b"z", b"z-"]):
        assert streamed(mask, *pieces) == b"-***-"


def test_a_value_that_repeats_itself_is_not_kept_back_for_ever():
    said: list[bytes] = []
    stream = Stream(Mask(["aaaa"]), said.append)
    for _ in range(2000):
        stream(b"a" * 100)
        assert len(stream._kept) < 4
    stream(b"!")
    assert b"".join(said) == b"***!"


def test_only_what_may_begin_a_value_is_kept_back():
    said: list[bytes] = []
    stream = Stream(Mask(["hunter22"]), said.append)
    stream(b"a prompt> ")
    assert b"".join(said) == b"a prompt> "
    stream(b"hunt")
    assert b"".join(said) == b"a prompt> "
    stream(b"ing season\n")
    assert b"".join(said) == b"a prompt> hunting season\n"


def test_without_secrets_output_goes_by_untouched():
    said: list[bytes] = []
    stream = Stream(Mask(), said.append)
    piece = b"\xff\x00 anything"
    stream(piece)
    assert said == [piece]
    assert said[0] is piece


values = st.lists(st.text("ab]^-\\\n'/ +%ö", min_size=4, max_size=12), min_size=1, max_size=3)


@settings(max_examples=300, deadline=None)
@given(
    values=values, parts=st.lists(st.integers(0, 5), max_size=8), places=st.lists(st.integers(0, 10_000), max_size=12)
)
@example(values=["aaaa"], parts=[0, 0, 0], places=[1, 2, 3, 4, 5, 6])
def test_no_cut_lets_anything_through_and_none_changes_the_outcome(
    values: list[str], parts: list[int], places: list[int]
):
    mask = Mask(values)
    forms = mask.forms or [b"x"]
    data = b"".join(forms[part * 7 % len(forms)] if part % 2 else b"-ab\n"[: part + 1] for part in parts)
    whole = streamed(mask, data)
    said = streamed(mask, *cut(data, places))
    assert said == whole
    # Stars are no part of any form here, so what is left of a form would be one in full.
    for form in mask.forms:
        assert form not in whole
    assert whole.replace(b"***", b"") == unmasked(mask, data)


def unmasked(mask: Mask, data: bytes) -> bytes:
    """Return the bytes that no form covers, by the plainest way to find them."""
    covered = {
        at
        for form in mask.forms
        for start in range(len(data) - len(form) + 1)
        if data[start : start + len(form)] == form
        for at in range(start, start + len(form))
    }
    return bytes(byte for at, byte in enumerate(data) if at not in covered)


def test_text_with_odd_letters_survives():
    assert Mask(["hunter22"]).text("\ud800 hunter22 \U0001f600") == "\ud800 *** \U0001f600"
