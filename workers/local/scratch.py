"""The folder of one run on this machine without a farm, and whether a run still goes on. It knows no engine.

A run holds a lock on its folder, which the system lets go however the run ends; so the next run knows what a killed
one has left.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from farm.errors import Refused


@dataclass(frozen=True, slots=True)
class Scratch:
    """A folder of this run, gone with it; `fence` is its number, no other run on this machine has the same."""

    folder: Path
    fence: int

    @classmethod
    @contextmanager
    def open(cls, home: Path) -> Iterator[Self]:
        """Make the folder below FARM_HOME and take away those of runs that were killed."""
        fence = secrets.randbits(48)
        above = home / "local"
        try:
            above.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _lock(above):
                folder = above / str(fence)
                folder.mkdir()
                held = _lock(folder)
                for other in above.iterdir():
                    if not _held(other):
                        shutil.rmtree(other, ignore_errors=True)
        except OSError as error:
            raise Refused(f"{above} cannot be written: {error.strerror}; set FARM_HOME to a folder of yours") from None
        with held:
            try:
                yield cls(folder, fence)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    @property
    def farm_id(self) -> str:
        """The id on all that runs of this user with this FARM_HOME make on an engine; no real farm has it."""
        owner = f"local {socket.gethostname()} {os.getuid()} {self.folder.parent}"
        return hashlib.sha256(owner.encode()).hexdigest()[:12]

    def alive(self, fence: int) -> bool:
        """Say whether the run with this number goes on."""
        return _held(self.folder.parent / str(fence))


@contextmanager
def _closing(handle: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(handle)


def _lock(folder: Path) -> AbstractContextManager[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return _closing(handle)


def _held(folder: Path) -> bool:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    with _closing(handle):
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
