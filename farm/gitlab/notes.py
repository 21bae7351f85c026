"""What could not be taken over, and where it stands. Nothing is left out without one of these."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_NAMED = 3


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One thing that is different or gone: its line, the job (or key) that it is about, and why."""

    line: int
    about: str
    message: str


class Notes:
    """Collects notes; each is kept once."""

    def __init__(self) -> None:
        self._notes: dict[Note, None] = {}

    def add(self, line: int, about: str, message: str) -> None:
        """Note that something is different or gone."""
        self._notes[Note(line, about, message)] = None

    def __iter__(self) -> Iterator[Note]:
        """Give them in the order of their lines; what is the same for several jobs is said once."""
        about: dict[tuple[int, str], list[str]] = {}
        for note in self._notes:
            about.setdefault((note.line, note.message), []).append(note.about)
        joined = (Note(line, _joined(names), message) for (line, message), names in about.items())
        return iter(sorted(joined))


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
