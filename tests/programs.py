"""Programs of the farm as processes of their own that do not each import Python's packages anew.

They are forked from one process that has imported what they need, which is a second of work and more for each. All else
is as if a shell had started them: arguments, variables, folder, standard streams, session, signals, exit code.
"""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

FARM = str(Path(sys.executable).parent / "farm")

_forks = get_context("forkserver")
# Without celery.apps.worker: it reads a variable when it is imported.
_forks.set_forkserver_preload(
    ["farm.cli.dispatcher", "farm.cli.pipelines", "farm.cli.releases", "farm.cli.run", "workers.tasks"]
)


def farm() -> None:
    """Be the program `farm`."""
    from farm.cli import app  # noqa: PLC0415 - in the new process only

    app()


class Program:
    """A process in a session of its own; it is asked as a `subprocess.Popen` is, but its streams are files."""

    def __init__(
        self,
        arguments: Sequence[object],
        *,
        be: Callable[[], None] = farm,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        given: bytes = b"",
        log: IO[bytes] | None = None,
    ) -> None:
        self.arguments = [FARM, *map(str, arguments)]
        with tempfile.TemporaryFile() as stdin:
            stdin.write(given)
            stdin.seek(0)
            self._streams = (log, log) if log else (tempfile.TemporaryFile(), tempfile.TemporaryFile())  # noqa: SIM115
            streams = [_Stream(stream.fileno()) for stream in (stdin, *self._streams)]
            environment = dict(os.environ if env is None else env)
            job = (be, self.arguments, environment, str(cwd or Path.cwd()), streams)
            self._process = _forks.Process(target=_become, args=job, daemon=True)
            self._process.start()

    @property
    def pid(self) -> int:
        """Its process's number, which is that of its group too."""
        assert self._process.pid
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, or minus the signal's number; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit code if it has ended."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when it has ended; raises TimeoutExpired."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.arguments, timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Wait for its end and return what it printed on both streams; not where it prints to a log."""
        self.wait(timeout)
        printed = []
        for stream in self._streams:
            stream.seek(0)
            printed.append(stream.read())
            stream.close()
        return printed[0], printed[1]

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


@dataclass(frozen=True)
class Ran:
    """What a program printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it printed, read as JSON."""
        return json.loads(self.out)


def run(arguments: Sequence[object], *, timeout: float = 90, **how: Any) -> Ran:
    """Run the program `farm` to its end; one that takes longer is killed with all that it started."""
    program = Program(arguments, **how)
    try:
        out, err = program.communicate(timeout)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        raise
    ran = Ran(program.wait(), out.decode(), err.decode())
    assert "Traceback" not in ran.err, ran.err
    return ran


class _Stream:
    """A file number that goes to a new process along with its arguments."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _detached, (DupFd(self.number),)


def _detached(duplicate: Any) -> int:
    return int(duplicate.detach())


def _become(
    be: Callable[[], None], arguments: list[str], environment: Mapping[str, str], cwd: str, streams: Sequence[int]
) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", write_through=True)
    sys.argv = arguments
    be()
