"""One line of an untrusted log as HTML. Of all escapes only colours and weight survive, as classes; no markup does."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

# A longer line would stall the browser; the raw log has it whole.
LONGEST = 4_000

_PLAIN = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]*")
_TOKEN = re.compile(
    r"""(?:\x1b\[|\x9b)(?P<sgr>[\d;:]*)m              # colours and weight
    |   (?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?             # other control sequences (ECMA-48, 5.4)
    |   (?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]).*?(?:\x07|\x1b\\|\x9c|$)   # titles, links and other strings
    |   \x1b[ -/]*[0-~]?                              # other escapes
    |   (?P<back>\r)
    |   [\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]   # controls; marks that reorder text
    """,
    re.VERBOSE,
)
# The usual 16 colours, to which those of the larger palettes are brought: themes keep them readable.
_PALETTE = (
    *((0, 0, 0), (205, 49, 49), (13, 188, 121), (229, 229, 16), (36, 114, 200), (188, 63, 188), (17, 168, 205)),
    *((229, 229, 229), (102, 102, 102), (241, 76, 76), (35, 209, 139), (245, 245, 67), (59, 142, 234)),
    *((214, 112, 214), (41, 184, 219), (255, 255, 255)),
)
_WEIGHTS = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
_FRONTS: dict[int, int | None] = {39: None} | {30 + n: n for n in range(8)} | {90 + n: n + 8 for n in range(8)}
_BACKS: dict[int, int | None] = {49: None} | {40 + n: n for n in range(8)} | {100 + n: n + 8 for n in range(8)}
_ENDS = {22: {"bold", "dim"}, 23: {"italic"}, 24: {"underline"}, 27: {"inverse"}, 29: {"strike"}}


@dataclass(frozen=True, slots=True)
class Style:
    """How the next character looks; it lives on from line to line."""

    front: int | None = None
    back: int | None = None
    weights: frozenset[str] = frozenset()

    @property
    def classes(self) -> str:
        """The CSS classes."""
        names = [f"farm-{weight}" for weight in sorted(self.weights)]
        names += [f"farm-front-{self.front}"] if self.front is not None else []
        names += [f"farm-back-{self.back}"] if self.back is not None else []
        return " ".join(names)

    def __str__(self) -> str:
        """Return the parameters that lead here from a reset; `Style().after(str(style)) == style`."""
        codes = [str(code) for code, weight in _WEIGHTS.items() if weight in self.weights]
        codes += [f"38;5;{self.front}"] if self.front is not None else []
        codes += [f"48;5;{self.back}"] if self.back is not None else []
        return ";".join(codes)

    def after(self, parameters: str) -> "Style":
        """Return the style after a sequence with these parameters; unknown ones change nothing."""
        style = self
        codes = iter([int(code) if code else 0 for code in re.split("[;:]", parameters[:200])])
        for code in codes:
            style = style._changed(code, codes)
        return style

    def _changed(self, code: int, more: Iterator[int]) -> "Style":  # noqa: PLR0911 - one line a case
        if code == 0:
            return Style()
        if code in _WEIGHTS:
            return replace(self, weights=self.weights | {_WEIGHTS[code]})
        if code in _ENDS:
            return replace(self, weights=self.weights - _ENDS[code])
        if code in _FRONTS:
            return replace(self, front=_FRONTS[code])
        if code in _BACKS:
            return replace(self, back=_BACKS[code])
        if code == 38:  # noqa: PLR2004 - a larger palette, as for 48
            return replace(self, front=_from_palette(more))
        return replace(self, back=_from_palette(more)) if code == 48 else self  # noqa: PLR2004


def _from_palette(more: Iterator[int]) -> int:
    kind = next(more, 0)
    if kind == 2:  # noqa: PLR2004 - 38;2;r;g;b
        return _nearest((next(more, 0), next(more, 0), next(more, 0)))
    number = next(more, 0)
    if number < len(_PALETTE):
        return number
    if number > 231:  # noqa: PLR2004 - 24 greys after the cube of 216
        return _nearest((8 + 10 * (number - 232),) * 3)
    cube = number - 16
    return _nearest((cube // 36 * 51, cube // 6 % 6 * 51, cube % 6 * 51))


def _nearest(colour: tuple[int, int, int]) -> int:
    distances = [sum((a - b) ** 2 for a, b in zip(colour, known, strict=True)) for known in _PALETTE]
    return distances.index(min(distances))


def plain(line: str) -> str:
    """Return the line's text alone, as a person sees it."""
    return "".join(text for text, _ in _runs(line, Style())[0])


def html(line: str, style: Style) -> tuple[Markup, Style]:
    """Return the line as HTML, and the style with which the next one begins."""
    if style == _DEFAULT and _PLAIN.fullmatch(line):
        return escape(_short(line)), style
    runs, end = _runs(_short(line), style)
    pieces = (
        f'<span class="{each.classes}">{escape(text)}</span>' if each != _DEFAULT else escape(text)
        for text, each in runs
    )
    return Markup("".join(pieces)), end  # noqa: S704 - escaped piece by piece


_DEFAULT = Style()


def _short(line: str) -> str:
    if len(line) <= LONGEST:
        return line
    return f"{line[:LONGEST]} … {len(line) - LONGEST:,} more characters in the raw log"


def _runs(line: str, style: Style) -> tuple[list[tuple[str, Style]], Style]:
    runs: list[tuple[str, Style]] = []
    at, overwrite = 0, False
    for token in _TOKEN.finditer(line):
        if token.start() > at:
            # What follows a carriage return takes the place of what was there, as a progress display means it.
            runs = [] if overwrite else runs
            overwrite = False
            runs.append((line[at : token.start()], style))
        at = token.end()
        if token["back"]:
            overwrite = True
        elif token["sgr"] is not None:
            style = style.after(token["sgr"])
    if at < len(line):
        runs = [] if overwrite else runs
        runs.append((line[at:], style))
    return runs, style
