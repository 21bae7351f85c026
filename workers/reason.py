"""Why a script failed, in one sentence: what its report, its exit code and its last line say. It runs nothing."""

from collections.abc import Callable

from workers.engine import Exit
from workers.junit import Report

_SHOWN = 300  # characters of output that a reason quotes
_UNSTARTED = ("not found", "no such file", "denied", "format error")
_NOT_EXECUTABLE, _NOT_FOUND, _KILLED = 126, 127, 137


def of(ended: Exit, report: Report | None, last: str, memory: int | None) -> str | None:
    """Return why the job failed, or None if it has not."""
    if report and report.failed:
        return report.sentence
    if ended.code == 0:
        return None
    limit = f"{memory / (1 << 20):.0f} MiB" if memory else "what the machine has"
    if ended.oom:
        return f"out of memory: the test needs more than {limit}; raise the limit of the farm or let the test need less"
    if ended.code in (_NOT_FOUND, _NOT_EXECUTABLE):
        what = "not found in the image" if ended.code == _NOT_FOUND else "not executable"
        return f"script ended with exit code {ended.code}: a command is {what}" + (f" ({last})" if last else "")
    if ended.code == _KILLED:
        return f"script was killed (exit code 137), by itself or because it needs more memory than {limit}"
    passed = f", although no test failed ({report.total} ran)" if report else ""
    return f"script ended with exit code {ended.code}{passed}"


def late(timeout: float, report: Report | None) -> str:
    """Return why a job failed whose time was up, with what its tests had said until then."""
    words = f"timed out after {timeout:g} s"
    return f"{words}; until then {report.sentence}" if report and report.failed else words


class LastLine:
    """Passes output on and remembers its last line; it keeps no more of it."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._end = b""

    def __call__(self, data: bytes) -> None:
        """Take some output."""
        self._write(data)
        self._end = (self._end + data)[-4096:]

    @property
    def text(self) -> str:
        """The last line, or the last that says why a command did not start: two streams may come in either order."""
        lines = [line.strip() for line in self._end.decode(errors="replace").splitlines() if line.strip()]
        telling = [line for line in lines[-3:] if any(words in line.lower() for words in _UNSTARTED)]
        return "".join(char for char in (telling or lines)[-1] if char.isprintable())[:_SHOWN] if lines else ""
