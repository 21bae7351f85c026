"""A step's log as HTML list items: numbered, timed, with the gaps that the caps left. It reads, never writes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from markupsafe import Markup, escape

from farm.flower.ansi import Style, html, plain
from farm.flower.words import clock
from farm.logs import LogChunk

# Browsers lay out blocks of this many lines only when they come into view.
BLOCK = 500

MOST_HEADS = 300

_GROUP = re.compile(r"^(::group::|##\[group\])")
_ENDS = ("::endgroup::", "##[endgroup]")
_CERTAIN = re.compile(
    r"^(E   |FAILED |FAIL[: ]|--- FAIL|ERROR |Traceback \(most recent|npm ERR!|"
    r"\S+: (fatal )?error: |(fatal|error|panic)(\[\w+\])?: )"
)
_LIKELY = re.compile(r"\b(errors?|fail(ed|ure|s)?|exception|fatal|panic(ked)?|not found|denied)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log; `missing` lines before it were cut."""

    number: int
    time: float
    text: str
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader stands: the log's cursor, the next line's number, the colour that is on, when the log began."""

    cursor: str = "0"
    line: int = 1
    began: float = 0.0
    style: Style = field(default_factory=Style)

    def __str__(self) -> str:
        return f"{self.cursor}~{self.line}~{self.began:.3f}~{self.style}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Return the position from its text; a broken one begins at the first line."""
        try:
            cursor, line, began, style = text.split("~")
            if not re.fullmatch(r"[\d-]{1,40}", cursor):
                return cls()
            return cls(cursor, int(line), float(began), Style().after(style) if style else Style())
        except ValueError:
            return cls()


def lines(chunks: Iterable[LogChunk], expected: int = 1) -> Iterator[Line]:
    """Give the lines of some chunks; `expected` is the number that the first one has if nothing is missing."""
    for chunk in chunks:
        missing = max(chunk.line - expected, 0)
        expected = chunk.line
        for text in chunk.text.removesuffix("\n").split("\n"):
            yield Line(expected, chunk.time, text, missing)
            missing = 0
            expected += 1


def items(step: str, some: Iterable[Line], began: float, style: Style) -> tuple[list[Markup], Style]:
    """Return one list item a line, and the style with which the next one begins."""
    found: list[str] = []
    name, shown = escape(step), 0.0
    for line in some:
        if line.missing:
            found.append(_GAP.format(line.missing, "line was" if line.missing == 1 else "lines were"))
        text, style = html(_GROUP.sub("", line.text), style)
        # A time is said where it changes: the lines of one chunk came together.
        moment = _TIME.format(line.time - began, clock(line.time)) if line.time != shown else ""
        shown = line.time
        kind = _HEAD if is_head(line.text) else _END if line.text.startswith(_ENDS) else ""
        # The blank before the fragment keeps Flower's own script away: it takes a link to the page's fragment for
        # one of its tabs, and fails.
        found.append(
            f'<li id="{name}-L{line.number}"{kind}><a href=" #{name}-L{line.number}">{line.number}</a>'
            f"{moment}<span>{text}</span></li>"
        )
    return [Markup(item) for item in found], style  # noqa: S704 - name and text are escaped, the rest are numbers


_HEAD, _END = " class=farm-head", " class=farm-end"
_TIME = '<time title="{1}">+{0:.1f}s</time>'
_GAP = '<li class="farm-gap">{:,} {} cut here: the log is longer than the farm keeps</li>'


def is_head(text: str) -> bool:
    """Whether a line begins a group: the farm's own words, a command, or what other systems' logs mark as one."""
    return text.startswith(("--- ", "$ ")) or bool(_GROUP.match(text))


def heads(some: Iterable[Line]) -> list[tuple[int, str]]:
    """Return the numbers and words of the lines that begin groups, the first so many."""
    found = ((line.number, plain(_GROUP.sub("", line.text))[:200]) for line in some if is_head(line.text))
    return list(islice(found, MOST_HEADS))


def blocks(found: list[Markup]) -> list[Markup]:
    """Return the items in blocks."""
    return [Markup("").join(found[at : at + BLOCK]) for at in range(0, len(found), BLOCK)]


def first_error(some: list[Line]) -> int:
    """Return the index of the line at which a reader should begin: the first error of the newest attempt."""
    start = max((at for at, line in enumerate(some) if line.text.startswith("--- attempt ")), default=0)
    for pattern in (_CERTAIN, _LIKELY):
        for at in range(start, len(some)):
            if pattern.search(plain(some[at].text)):
                return at
    return max(len(some) - 1, 0)
