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
    file: str = ""
    """The included file that the line is in; empty for the file that is converted."""


class Notes:
    """Collects notes; each is kept once."""

    def __init__(self) -> None:
        self._notes: dict[Note, None] = {}

    def add(self, line: int, about: str, message: str) -> None:
        """Note that something is different or gone."""
        self._notes[Note(line, about, message, getattr(line, "file", ""))] = None

    def __iter__(self) -> Iterator[Note]:
        """Give them in the order of their lines; what is the same for several jobs is said once."""
        about: dict[tuple[str, int, str], list[str]] = {}
        for note in self._notes:
            about.setdefault((note.file, note.line, note.message), []).append(note.about)
        for (file, line, message), names in sorted(about.items(), key=lambda each: (each[0][:2], each[1], each[0][2])):
            yield Note(line, _joined(names), message, file)


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
