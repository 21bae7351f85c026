"""Whether a worker can do work now: its engine answers and its disks have room. It says why not and closes nothing."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from farm.errors import Errored
from farm.sizes import size
from workers.engine import Engine

_ROOM = 1.1  # a disk that was full counts as such until it has this much more than the least, so that it does not flap


class Gate:
    """Looks at the engine and at the disks below its data and FARM_HOME, which must have `least` bytes left."""

    def __init__(self, engine: Engine, home: Path, least: int) -> None:
        self._engine = engine
        self._home = home
        self._least = least
        self._root: Path | None = None
        self._full: Path | None = None

    def closed(self) -> str | None:
        """Say, to be read behind the worker's name, why no work can be done; None if it can."""
        if not self._engine.answers():
            return "has no Docker Engine that answers"
        if self._root is None:
            with suppress(Errored):
                self._root = self._engine.info().root
        return next((sentence for place in self.places() if (sentence := self._no_room(place))), None)

    def places(self) -> Sequence[Path]:
        """Return FARM_HOME and, once the engine has said where it is, the folder of the engine's data."""
        return (self._home, self._root) if self._root else (self._home,)

    def _no_room(self, place: Path) -> str | None:
        try:
            left = shutil.disk_usage(place).free
        except OSError:
            return None  # not there yet, or not for this user to see
        if left >= self._least * (_ROOM if place == self._full else 1):
            self._full = None if place == self._full else self._full
            return None
        self._full = place
        return f"has {size(left)} left on the disk of {place}, less than {size(self._least)}"
