"""Sees that a farm.yml has become another. It reads nothing of it."""

from pathlib import Path

from farm.settings.sources import own_file

Stamp = tuple[int, int, int] | None


class Watch:
    """The file of one farm, looked at again and again; it may be there or not."""

    def __init__(self, home: Path) -> None:
        self._file = own_file(home)
        self._taken = self._seen = self._stamp()

    def changed(self) -> bool:
        """Return whether the file is another than at the last time that this was so, and the same in two looks."""
        before, self._seen = self._seen, self._stamp()
        if self._seen == self._taken or self._seen != before:
            return False
        self._taken = self._seen
        return True

    def differs(self) -> bool:
        """Return whether the file is another than at the last time that this was so; it may still be being written."""
        self._seen = self._stamp()
        before, self._taken = self._taken, self._seen
        return before != self._taken

    def _stamp(self) -> Stamp:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
