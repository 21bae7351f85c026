"""Programs of the farm as processes of their own that do not each import Python's packages anew.

They are forked from one process that has imported what they need, which is a second of work and more for each. All else
is as if a shell had started them: arguments, variables, folder, standard streams, session, signals, exit code.
"""

import contextlib
import ctypes
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.reduction import DupFd
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

FARM = str(Path(sys.executable).parent / "farm")

_forks = get_context("forkserver")
# Without celery.apps.worker: it reads a variable when it is imported.
_forks.set_forkserver_preload(
    [
        *(
            f"farm.cli.{name}"
            for name in ("artifacts", "dispatcher", "doctor", "hook", "import_", "pipelines", "releases")
        ),
        *(f"farm.cli.{name}" for name in ("replay", "run", "secret", "sync", "token", "up", "watch", "web", "workers")),
        *("celery.bin.celery", "celery.concurrency.prefork", "celery.worker.consumer", "httpcore"),
        "pytest",  # which is the main module without xdist, and so imported by each
        *("tests.programs", "workers.local.__main__", "workers.tasks"),
        "flower.command",
    ]
)


def farm() -> None:
    """Be the program `farm`; its local worker is forked from it, for it would import the same packages once more."""
    from farm.cli import app, local  # noqa: PLC0415 - in the new process only

    local.subprocess = SimpleNamespace(Popen=_Worker)  # type: ignore[assignment]
    app()


def celery() -> None:
    """Be the program `celery`."""
    from celery.__main__ import main  # noqa: PLC0415 - it reads variables of the new process

    main()


def worker() -> None:
    """Be `farm worker`, and then Celery's program without starting Python anew for it."""
    os.execv = _celery  # type: ignore[assignment]
    farm()


def _celery(_: str, command: Sequence[str]) -> None:
    sys.argv = list(command[2:])
    celery()


class _Worker:
    """The process of `python -m workers.local`, as far as `farm.cli.local` asks a `subprocess.Popen`."""

    def __init__(self, command: Sequence[str], *, pass_fds: Sequence[int]) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                for number in (signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_DFL)
                for number in {int(each.name) for each in Path("/dev/fd").iterdir()} - {0, 1, 2, *pass_fds}:
                    with contextlib.suppress(OSError):
                        os.close(number)
                sys.argv = list(command[2:])
                code = importlib.import_module(f"{command[2]}.__main__").main()
                sys.stdout.flush()
            except BaseException:  # noqa: BLE001 - as the interpreter does it at its end
                traceback.print_exc()
            finally:
                os._exit(code)

    def terminate(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Program:
    """A process in a session of its own; it is asked as a `subprocess.Popen` is, but its streams are files.

    It prints to a `log` where there is one, and reads from and prints to a `terminal`; `out` is a pipe's end for its
    standard output.
    With `inside` it is in the namespaces of that process, as if `nsenter` had started it.
    """

    def __init__(
        self,
        arguments: Sequence[object],
        *,
        be: Callable[[], None] = farm,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        given: bytes = b"",
        log: IO[bytes] | None = None,
        inside: int | None = None,
        out: int | None = None,
        terminal: int | None = None,
    ) -> None:
        self.arguments = [FARM, *map(str, arguments)]
        with tempfile.TemporaryFile() as stdin:
            stdin.write(given)
            stdin.seek(0)
            own = log is None and terminal is None
            self._files = [tempfile.TemporaryFile(), tempfile.TemporaryFile()] if own else []  # noqa: SIM115
            numbers = [stdin.fileno(), *(each.fileno() for each in ([log, log] if log else self._files))]
            if terminal is not None:
                numbers = [terminal] * 3
            elif out is not None:
                numbers[1] = out
            streams = [_Stream(number) for number in numbers]
            environment = dict(os.environ if env is None else env)
            start = _Start(be, self.arguments, environment, str(cwd or Path.cwd()), streams, inside)
            self._process = _forks.Process(target=_become, args=(start,), daemon=True)
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
        """Wait for its end and return what it printed on both streams, where it has no other place for that."""
        self.wait(timeout)
        printed = []
        for stream in self._files:
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


@dataclass(frozen=True)
class _Start:
    be: Callable[[], None]
    arguments: list[str]
    environment: Mapping[str, str]
    cwd: str
    streams: Sequence[Any]
    inside: int | None


def _become(start: _Start) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where a script runs the tests with `&`
    if start.inside:
        _enter(start.inside)
    os.environ.clear()
    os.environ.update(start.environment)
    os.chdir(start.cwd)
    for number, stream in enumerate(start.streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8", line_buffering=os.isatty(1)
    )
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", write_through=True)
    sys.argv = start.arguments
    start.be()


def _enter(machine: int) -> None:
    """Go on in the namespaces of a process, as a child, for only children are among its processes."""
    setns = ctypes.CDLL(None, use_errno=True).setns
    kinds = [os.open(f"/proc/{machine}/ns/{kind}", os.O_RDONLY) for kind in ("net", "uts", "ipc", "pid", "mnt")]
    for kind in kinds:
        if setns(kind, 0):
            raise OSError(ctypes.get_errno(), f"the namespaces of process {machine} cannot be entered")
        os.close(kind)
    if child := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code < 0:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(code)
