"""The room that mirrors take: which there are, and that the longest unused go. It fetches nothing."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

IDLE = 3600.0  # seconds since its last use in which a mirror is not deleted: somebody may still read it
_GOING = ".git~"  # ends the name of a mirror that is being deleted


def mirrors(home: Path) -> Iterator[Path]:
    """Give every mirror below FARM_HOME; the time of its folder is that of its last use.

    What is left of one whose deletion was interrupted goes on the way.
    """
    for name, folders, _ in os.walk(home / "mirrors"):
        if name.endswith(_GOING):
            folders.clear()
            shutil.rmtree(name, ignore_errors=True)
        elif name.endswith(".git") and "objects" in folders:
            folders.clear()
            yield Path(name)


def trim(home: Path, most: int, idle: float = IDLE) -> int:
    """Delete the mirrors that were not used for longest until all have at most so many bytes; return how many."""
    now, removed = time.time(), 0
    found = sorted((mirror.stat().st_mtime, mirror) for mirror in mirrors(home))
    sizes = {mirror: _size(mirror) for _, mirror in found}
    for used, mirror in found:
        if sum(sizes.values()) <= most or used > now - idle:
            break
        if forget(mirror):
            removed += 1
            del sizes[mirror]
    return removed


def forget(mirror: Path) -> bool:
    """Delete a mirror, it is fetched again when it is needed; False if somebody is fetching into it now."""
    lock = os.open(mirror.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        delete(mirror)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def delete(mirror: Path) -> None:
    """Delete a mirror whose lock is held as a whole: half of one would be no repository to git, for ever."""
    going = mirror.with_suffix(_GOING)
    shutil.rmtree(going, ignore_errors=True)
    mirror.rename(going)
    shutil.rmtree(going, ignore_errors=True)


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += path.lstat().st_blocks * 512
    return size
