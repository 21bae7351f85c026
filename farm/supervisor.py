"""The processes of one machine, run by honcho from the Procfile. It knows nothing of what they do.

honcho's manager ends everything when one process ends. Here a process that ends by itself is started again, with a
growing pause, and all are ended in order: what the others need (redis, registry) goes last.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from ctypes import c_int
from functools import partial
from logging.handlers import RotatingFileHandler
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from honcho.environ import parse_procfile
from honcho.manager import SYSTEM_PRINTER_NAME, Manager
from honcho.printer import Message, Printer
from honcho.process import Popen, Process

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

NEEDED = ("redis", "registry")

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_LONG_LIFE = 60.0
# A worker that is at a step gets this long; the record hands the step on if it needs more.
_GRACE = 25.0
_LOG_SIZE = 10 << 20


class Supervisor(Manager):  # type: ignore[misc]
    """honcho's manager with processes that are kept alive until `terminate`."""

    def __init__(self, printer: Printer) -> None:
        super().__init__(printer)
        self._stopping = multiprocessing.Event()
        self._others = multiprocessing.Value(c_int, 0)
        self._process_ctor = partial(_Kept, stopping=self._stopping, others=self._others)

    def load(self, procfile: Path, env: Mapping[str, str], folder: Path, *, without: Sequence[str] = ()) -> None:
        """Add the processes of the Procfile, except those that are named."""
        for name, command in parse_procfile(procfile.read_text()).processes.items():
            if name in without:
                continue
            if name not in NEEDED:
                self._others.value += 1
            self.add_process(name, command, env=dict(env), cwd=str(folder))

    def terminate(self) -> None:
        """Let every process end; each sees to its own child."""
        self._terminating = True
        self._stopping.set()

    def kill(self) -> None:
        """Do nothing: every process kills its own child when its grace is over, which differs from honcho's."""


class _Kept(Process):  # type: ignore[misc]
    """One line of the Procfile, in a process of its own."""

    def __init__(self, *args: Any, stopping: Event, others: "Synchronized[int]", **options: Any) -> None:
        super().__init__(*args, **options)
        self._stopping = stopping
        self._others = others
        self._lock = threading.Lock()

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:  # noqa: ARG002 - honcho's signature
        """Start the command, hand its lines on, start it again when it ends; return when all is to end."""
        self._events = events
        for number in (signal.SIGINT, signal.SIGTERM):
            # A handler, not SIG_IGN: the command would inherit that.
            signal.signal(number, lambda *_: None)
        threading.Thread(target=self._end, args=(os.getppid(),), daemon=True).start()
        pause = _FIRST_PAUSE
        code = 0
        while self._start():
            born = time.monotonic()
            for line in iter(self._child.stdout.readline, b""):
                self._send_message(line)
            code = self._child.wait()
            if time.monotonic() - born > _LONG_LIFE:
                pause = _FIRST_PAUSE
            if not self._stopping.is_set():
                self._send_message(f"ended with {code}; starting it again in {pause:g} s\n")
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        if self.name not in NEEDED:
            with self._others.get_lock():
                self._others.value -= 1
        self._send_message({"returncode": code}, type="stop")

    def _start(self) -> bool:
        with self._lock:
            if self._stopping.is_set():
                return False
            self._child = Popen(self.cmd, env=self.env, cwd=self.cwd)
        self._send_message({"pid": self._child.pid}, type="start")
        threading.Thread(target=_clear, args=(self._child,), daemon=True).start()
        return True

    def _end(self, parent: int) -> None:
        """End the child when all is to end, also when the supervisor itself was killed."""
        while not self._stopping.wait(1.0):
            if os.getppid() != parent:
                self._stopping.set()
        if self.name in NEEDED:
            late = time.monotonic() + _GRACE + 5
            while self._others.value > 0 and time.monotonic() < late:
                time.sleep(0.05)
        with self._lock:
            child = self._child
        if child is None:
            return
        # The leader only: a worker's pool must not hear it, or its steps die at once.
        child.terminate()
        with contextlib.suppress(Exception):
            child.wait(_GRACE)
        if child.poll() is None:
            _kill_group(child.pid)


def _clear(child: Popen) -> None:
    """End what a process leaves behind in its group; it would hold the pipe open, and the end would go unseen."""
    child.wait()
    _kill_group(child.pid)


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


class Lines(Printer):  # type: ignore[misc]
    """Writes every line to the log file of its process, and with a prefix to a terminal if there is one."""

    def __init__(self, folder: Path, output: TextIO | None) -> None:
        super().__init__(output)
        self._folder = folder
        self._files: dict[str, RotatingFileHandler] = {}

    def write(self, message: Message) -> None:
        """Write one message of honcho's."""
        if self.output is not None:
            super().write(message)
        data = message.data
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        name = "farm" if message.name == SYSTEM_PRINTER_NAME else message.name
        file = self._files.get(name)
        if file is None:
            file = RotatingFileHandler(self._folder / f"{name}.log", maxBytes=_LOG_SIZE, backupCount=1)
            self._files[name] = file
        for line in text.splitlines():
            file.emit(logging.makeLogRecord({"msg": f"{message.time:%Y-%m-%d %H:%M:%S} {line}"}))
