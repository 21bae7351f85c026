"""A folder in memory for what one build is given: secrets and logins. It does not know which.

It goes with its build, and where the process of that was killed with the next sweep: the system lets go of the lock on
a folder however its process ends.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder for this user alone is made in it
_PLACE = _MEMORY if _MEMORY.is_dir() else Path(tempfile.gettempdir())
_PREFIX = "farm-build-"


@contextmanager
def folder() -> Iterator[Path]:
    """Give a new folder that only this user can read."""
    path, handle = _made()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def sweep() -> None:
    """Take away the folders whose processes are gone."""
    for path in _PLACE.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is another user's, or in use, or gone by now
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(handle)


def _made() -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_PLACE))
        with suppress(FileNotFoundError):  # a sweep came before the lock
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if path.exists():
                return path, handle
            os.close(handle)
