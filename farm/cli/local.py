"""What `farm run` and `farm replay` share: the local worker as a subprocess, and the end of its story in words."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from farm.cli import terminal, view
from farm.cli.group import BROKEN, REFUSED
from farm.errors import Refused
from farm.plain import plain
from farm.trial import Trial

INTERRUPTED = 130  # as a shell says of Ctrl-C
_ERRORED = 3


def local(trial: Trial) -> int:
    """Let the local worker do it, live, and return the exit code: that of `farm watch`, or 130 after Ctrl-C."""
    if trial.shell and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Refused("--shell needs a terminal; run it in one, or without --shell")
    sys.stdout.flush()
    code, document, interrupted = _done(trial)
    if document is None and not interrupted:
        if code not in (REFUSED, _ERRORED):
            typer.echo(f"error: the local worker broke off (exit code {code}); what it printed says why", err=True)
            code = BROKEN
        return code
    if document is None:
        return INTERRUPTED
    for line in ending(document, trial):
        typer.echo(line)
    return INTERRUPTED if interrupted else view.CODES.get(document["status"], _ERRORED)


def ending(document: Mapping[str, Any], trial: Trial) -> Iterator[str]:
    """Give the last lines: how each step went, the failing tests, the image, the next command."""
    now = time.time()
    yield ""
    for status, line in view.jobs(document, now):
        yield terminal.paint(line, status)
    yield terminal.paint(view.summary(document, now), document["status"])
    for line in view.failing(document):
        yield terminal.paint(line, "failed")
    if image := document.get("image"):
        yield f"  image     {plain(image)}"
        yield f"  run it    docker run --rm -P {plain(image)}"
    failed = [step for step in view.broken(document) if step != "build"]
    if failed and not trial.shell:
        begun = f"farm replay {trial.number}" if trial.number else "farm run"
        options = " --dirty" if trial.dirty else ""
        yield f"  next      {begun} {failed[0].removeprefix('test/')}{options} --shell"


def _done(trial: Trial) -> tuple[int, dict[str, Any] | None, bool]:
    """Return the worker's exit code, the pipeline at its end, and whether a person broke it off."""
    given, give = os.pipe()
    take, taken = os.pipe()
    command = [sys.executable, "-m", "workers.local", f"/dev/fd/{given}", f"/dev/fd/{taken}"]
    with _passing_on() as signals:
        worker = subprocess.Popen(command, pass_fds=(given, taken))
        signals.follow(worker)
        os.close(given)
        os.close(taken)
        # In threads, because a pipe holds 64 KiB and the worker may end at any time.
        threading.Thread(target=_write, args=(give, trial.model_dump_json().encode()), daemon=True).start()
        with os.fdopen(take, "rb") as stream:
            answer = stream.read()
        code = worker.wait()
    return code, json.loads(answer) if answer else None, signals.interrupted


def _write(pipe: int, data: bytes) -> None:
    try:
        with os.fdopen(pipe, "wb") as stream:
            stream.write(data)
    except BrokenPipeError:
        pass


class _Signals:
    """Lets the worker end in good order when this program is told to end."""

    def __init__(self) -> None:
        self.interrupted = False
        self._worker: subprocess.Popen[bytes] | None = None

    def follow(self, worker: "subprocess.Popen[bytes]") -> None:
        """Pass on what comes from now on."""
        self._worker = worker
        signal.signal(signal.SIGINT, self.take)

    def take(self, *_: object) -> None:
        """Remember it, and tell the worker: from a terminal Ctrl-C reaches it by itself too, which does no harm."""
        self.interrupted = True
        if self._worker is not None:
            self._worker.terminate()


@contextmanager
def _passing_on() -> Iterator[_Signals]:
    """Take signals; the worker ignores Ctrl-C until it can take it, because this is what it finds when it starts."""
    signals = _Signals()
    before = {number: signal.signal(number, signals.take) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
