"""Masks secrets in what a step says, however it is cut into pieces. It knows no log, and not what may be given to whom.

A value counts in whole and by lines, and each also as base64 wherever it stands in what was encoded, percent-encoded,
escaped for JSON, for a shell, for XML, and in hex.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

SHORTEST = 4  # bytes; a line of a value that is shorter is part of any text
STARS = b"***"
_WRAPPED = (64, 76)  # characters of a line, as openssl and base64 write them
_HEAD = 4
Span = tuple[int, int]


class Mask:
    """Knows the forms of some values; without any it changes nothing."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        parts = {part for value in values for part in (value, *(line.strip() for line in value.splitlines()))}
        found = {form for part in parts if len(part.encode()) >= SHORTEST for form in _forms(part)}
        self.forms = sorted((form for form in found if len(form) >= SHORTEST), key=len, reverse=True)
        self._by_head: dict[bytes, list[bytes]] = {}  # so that a value of a thousand lines takes no longer than one
        for form in self.forms:
            self._by_head.setdefault(form[:_HEAD], []).append(form)
        self._place = re.compile(b"(?=%s)" % b"".join(map(_any_of, zip(*self._by_head, strict=True))))
        self._beginnings = {form[:length] for form in self.forms for length in range(1, _HEAD)}
        self._longest = max(map(len, self.forms), default=0)

    def text(self, text: str) -> str:
        """Return a whole text with stars in place of each value."""
        if not self.forms:
            return text
        data = text.encode(errors="surrogatepass")
        return b"".join(_starred(data, self.spans(data), len(data), 0)).decode(errors="surrogatepass")

    def spans(self, data: bytes) -> list[Span]:
        """Return where forms stand, in order, those that overlap as one."""
        joined: list[Span] = []
        for start, end in self._found(data):
            if joined and start < joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return joined

    def begun(self, data: bytes) -> int:
        """Return where the first form begins that the end of the data cuts off, or the length of the data."""
        size = len(data)
        for place in self._place.finditer(data, max(0, size - self._longest + 1)):
            start = place.start()
            for form in self._by_head.get(data[start : start + _HEAD], ()):
                if len(form) > size - start and form.startswith(data[start:]):
                    return start
        for start in range(max(0, size - _HEAD + 1), size):
            if data[start:] in self._beginnings:
                return start
        return size

    def _found(self, data: bytes) -> Iterator[Span]:
        """Give the longest form that stands at each place where one does."""
        for place in self._place.finditer(data):
            start = place.start()
            for form in self._by_head.get(data[start : start + _HEAD], ()):
                if data.startswith(form, start):
                    yield start, start + len(form)
                    break


class Stream:
    """Passes output on with stars in it, and keeps back only an end that may be the beginning of a value."""

    def __init__(self, mask: Mask, write: Callable[[bytes], None]) -> None:
        self.mask = mask
        self._write = write
        self._kept = b""
        self._starred = 0  # bytes at the beginning of what is kept for which stars were written already

    def __call__(self, data: bytes) -> None:
        """Take some output."""
        self._pass(data, last=False)

    def end(self) -> None:
        """Pass on what is kept back: nothing comes behind it."""
        self._pass(b"", last=True)

    def _pass(self, data: bytes, *, last: bool) -> None:
        if not self.mask.forms and not self._kept:
            self._write(data)
            return
        whole = self._kept + data
        spans = self.mask.spans(whole)
        cut = len(whole) if last else self.mask.begun(whole)
        said = b"".join(_starred(whole, spans, cut, self._starred))
        reaching = max((end for start, end in spans if start < cut), default=0)
        self._kept, self._starred = whole[cut:], max(0, max(reaching, self._starred) - cut)
        if said:
            self._write(said)


def _starred(data: bytes, spans: Iterable[Span], cut: int, done: int) -> Iterator[bytes]:
    """Give the data up to the cut, stars for each span; for the first bytes up to `done` they were given before."""
    at = done
    for start, end in spans:
        if start >= cut:
            break
        if start >= at:
            yield data[at:start]
            yield STARS
        at = max(at, end)
    yield data[at:cut]


def _any_of(letters: Sequence[int]) -> bytes:
    return b"[%s]" % b"".join(re.escape(bytes([letter])) for letter in sorted(set(letters)))


def _forms(value: str) -> Iterator[bytes]:
    raw = value.encode()
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield from _base64(raw)
    for text in _escaped(value):
        yield text.encode()


def _base64(raw: bytes) -> Iterator[bytes]:
    """Give the characters that stand for these bytes alone, at each of the three places that they can have."""
    whole = b64encode(raw)
    parts = [whole]
    for before in range(3):
        coded = b64encode(bytes(before) + raw)
        parts.append(coded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6])
    for width in _WRAPPED:
        if len(whole) > width:
            parts += [whole[start : start + width] for start in range(0, len(whole), width)]
    for part in parts:
        yield part
        yield part.replace(b"+", b"-").replace(b"/", b"_")


def _escaped(value: str) -> Iterator[str]:
    for safe in ("", "/", "!'()*"):
        for coded in (quote(value, safe=safe), quote_plus(value, safe=safe)):
            yield coded
            yield _lowered(coded)
    for ascii_only in (True, False):
        coded = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield coded
        yield coded.replace("/", "\\/")
    yield repr(value)[1:-1]
    yield value.replace("'", "'\\''")
    yield value.replace("'", "'\"'\"'")
    yield value.replace("\n", "\r\n")
    for more in ({}, {'"': "&quot;"}, {'"': "&quot;", "'": "&#39;"}, {'"': "&#34;", "'": "&#39;"}):
        yield escape(value, more)


def _lowered(coded: str) -> str:
    head, *rest = coded.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])
