"""What is wrong in a definition, and where. It neither finds mistakes nor prints them."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

from farm.errors import Failed

SHOWN = 50
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def lines(source: str) -> list[str]:
    """Return the lines of a text as YAML 1.1 counts them, which is what the places of mistakes mean."""
    return _BREAK.split(source.removeprefix("\ufeff"))


class Place(NamedTuple):
    """Where something stands, line and column counted from 1."""

    line: int
    column: int
    file: str = ".farm.yml"


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake with its place (both counted from 1) and, where there is one, the way out."""

    line: int
    column: int
    message: str
    hint: str = ""
    file: str = ".farm.yml"

    @classmethod
    def at(cls, place: Place, message: str, hint: str = "") -> Self:
        """Make it of its place."""
        return cls(place.line, place.column, message, hint, place.file)

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.line, self.column, self.file)

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{hint}"

    def document(self) -> dict[str, Any]:
        """Return the JSON that `farm lint --json` prints."""
        return asdict(self)


class DefinitionError(Failed):
    """The definition cannot be used. It holds every mistake that was found, each once, in the order of each file."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        once = {(mistake.place, mistake.message): mistake for mistake in reversed(mistakes)}
        self.mistakes = tuple(sorted(once.values(), key=lambda mistake: (mistake.file, mistake)))
        lines = [str(mistake) for mistake in self.mistakes[:SHOWN]]
        if len(self.mistakes) > SHOWN:
            lines.append(f"and {len(self.mistakes) - SHOWN} more mistakes; mend these first")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type["DefinitionError"], tuple[tuple[Mistake, ...]]]:
        return type(self), (self.mistakes,)
