"""A step's log as HTML list items: numbered, timed, with the gaps that the caps left. It reads, never writes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from markupsafe import Markup

from farm.flower.ansi import Style, html, plain
from farm.flower.words import clock
from farm.logs import LogChunk

# Browsers lay out blocks of this many lines only when they come into view.
BLOCK = 500

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
    found: list[Markup] = []
    for line in some:
        if line.missing:
            found.append(_GAP.format(line.missing, "line was" if line.missing == 1 else "lines were"))
        text, style = html(line.text, style)
        kind = _HEAD if line.text.startswith(("--- ", "$ ")) else ""
        found.append(_ITEM.format(step, line.number, kind, f"{line.time - began:.1f}", clock(line.time), text))
    return found, style


# The number and the time come from attributes, so that copied text is the log's alone.
_ITEM = Markup(
    '<li id="{0}-L{1}"{2}><a href="#{0}-L{1}" data-n="{1}" aria-label="Line {1}"></a>'
    '<time data-t="+{3}" title="{4}"></time><span>{5}</span></li>'
)
_HEAD = Markup(" class=farm-head")
_GAP = Markup('<li class="farm-gap">{:,} {} cut here: the log is longer than the farm keeps</li>')


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
