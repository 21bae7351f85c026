"""Running the git program, with nothing of the caller's own git environment. It does not know what is asked of it."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from farm.errors import Errored
from farm.git.urls import local, shown

FETCH_TIMEOUT = 900.0  # seconds; the first fetch of a large repository may take minutes
LOOK_TIMEOUT = 30.0
_POLL = 0.25
# What ssh says before git's own "Could not read from remote repository", which says less.
_SSH = re.compile(r"^(Host key verification failed|.*: Permission denied \(|Load key |ssh: |No .* host key is known)")
_OPTIONS = (
    ("core.hooksPath", os.devnull),
    ("gc.autoDetach", "false"),  # inside the lock, so that nothing works on a mirror behind the farm's back
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    ("protocol.ext.allow", "never"),
    ("safe.directory", "*"),  # mirrors may belong to another user of this machine's farm
)


def environment() -> dict[str, str]:
    """Return this process's environment without what it says to another git, and without the farm's own secrets."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "FARM_"))}


def run(
    mirror: Path | None,
    *command: str,
    check: Callable[[], None] = lambda: None,
    lock: int | None = None,
    timeout: float = FETCH_TIMEOUT,
    about: str = "",
    text: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> bytes:
    """Run git to its end and return what it printed; git's own words are the cause of the Errored that this raises.

    The text is what it reads, from a file: of a pipe the rest would not be sent to a git that is slow to read.
    """
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.seek(0)
        git = start(mirror, command, lock, stdin=file, env=env)
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                out, err = git.communicate(timeout=_POLL)
                break
            except subprocess.TimeoutExpired:
                check()
                if time.monotonic() > deadline:
                    raise Errored(
                        f"git {command[0]} took longer than {timeout:.0f} s; look at the connection"
                    ) from None
    finally:
        end(git)
    if git.returncode:
        behind = command[command.index("--") + 1 :] if "--" in command else ()
        what = shown(about or next(iter(behind), str(mirror)))
        words = err.decode(errors="replace").strip()
        raise Errored(f"git cannot read {what}: {last(err)}; check that it is there and may be read from here") from (
            RuntimeError(words)
        )
    return out


def start(
    mirror: Path | None,
    command: Sequence[str],
    lock: int | None = None,
    *,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start git on a mirror, or on none, with what it is to read; whoever starts it calls `end`."""
    own = environment() | {
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
    }
    own |= {"LC_ALL": "C", **(env or {})}
    options = [word for key, value in _OPTIONS for word in ("-c", f"{key}={value}")]
    where = [f"--git-dir={mirror}"] if mirror else []
    try:
        git = subprocess.Popen(
            ["git", *options, *where, *command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=own,
            pass_fds=() if lock is None else (lock,),
            start_new_session=True,  # no terminal that ssh could ask for a password, and one group to kill
        )
    except OSError as error:
        raise Errored(f"git cannot be started: {error}; install git on this machine") from error
    return git


def end(git: subprocess.Popen[bytes]) -> None:
    """Kill git and what it has started if it still runs, and close its streams."""
    if git.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(git.pid, signal.SIGKILL)
        git.wait()
    for stream in (git.stdout, git.stderr):
        if stream is not None:
            stream.close()


def last(words: bytes) -> str:
    """Return the line of git's words that says most: ssh's own, the first fatal or error, else the last one."""
    lines = [line.strip() for line in words.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if _SSH.search(line)] or [
        line for line in lines if line.startswith(("fatal:", "error:"))
    ]
    line = (telling or lines or ["it gave no reason"])[0 if telling else -1]
    line = line.removeprefix("fatal:").removeprefix("error:").strip().rstrip(".")
    return re.sub(r"//[^/@\s]+@", "//", line)


def upload_pack(url: str) -> tuple[str, ...]:
    """Let git read a local repository of another user: its own child does not inherit `-c safe.directory`."""
    return ("--upload-pack", "git -c safe.directory='*' upload-pack") if local(url) else ()
