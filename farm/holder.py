"""Who runs the farm of a home: one `farm up` at a time, known by a lock that the system gives back when it dies.

A process number alone proves nothing, it may be another program's by now; the lock and the start time do.
"""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from farm.errors import Refused

# In the environment of every process of the farm: what an interrupted start left behind is found by it.
MARK = "FARM_SUPERVISED"


@contextlib.contextmanager
def hold(home: Path) -> Iterator[None]:
    """Be the one who runs the farm of this home, or be refused."""
    path = _file(home)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"the farm of {home} runs already; `farm up --stop` ends it") from None
        file.truncate(0)
        file.write(f"{os.getpid()} {_born(os.getpid())}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def is_held(home: Path) -> bool:
    """Return whether a farm of this home runs, or is still ending."""
    with contextlib.suppress(FileNotFoundError), _file(home).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def holder(home: Path) -> int | None:
    """Return the process number of the farm that runs, or None."""
    if not is_held(home):
        return None
    try:
        number, born = _file(home).read_text().split()
    except (OSError, ValueError):
        return None
    return int(number) if _born(int(number)) == born else None


def leftovers(home: Path) -> Sequence[int]:
    """Return the processes of this home's farm, by the mark in their environment."""
    mark = f"{MARK}={home}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0") and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def end(numbers: Sequence[int], grace: float) -> None:
    """Ask processes to end, and kill those that have not after the grace in seconds."""
    _signal(numbers, signal.SIGTERM)
    late = time.monotonic() + grace
    while any(_born(number) for number in numbers):
        if time.monotonic() > late:
            _signal(numbers, signal.SIGKILL)
            return
        time.sleep(0.05)


def _signal(numbers: Sequence[int], which: signal.Signals) -> None:
    for number in numbers:
        try:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, which)
        except PermissionError:
            raise Refused("the farm runs as another user; end it as that user, or as root") from None


def _born(number: int) -> str:
    """Return the process's start time in clock ticks after boot (proc(5), field 22), nothing when it is gone."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _file(home: Path) -> Path:
    return home / "farm.pid"
