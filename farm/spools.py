"""Empties the spools of repositories on this machine, so that a farm of one machine needs no timer for it.

The delivery is the installed hook's own (`post-receive --deliver`), run as the repository's owner, never as one who may
do more. Repositories on other machines, and of owners that this process cannot become, need their timer.
"""

import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from farm import git
from farm.errors import Errored
from farm.lanes import Lanes
from farm.ledger import Ledger

LOOK = 3.0  # seconds between two looks at all spools
GRACE = 30.0  # seconds after which a line of a reflog is offered: the hook's own GRACE
OWN = 5.0  # seconds in which a spool file belongs to the hook that wrote it
TIMEOUT = 60.0  # seconds for one delivery
MARK = b"farm:post-receive"

log = structlog.get_logger()


def reachable(url: str) -> Path | None:
    """Return the path of a repository whose spool this process can empty: on this machine, its own or as its owner."""
    path = git.local(url)
    try:
        return path if path and os.geteuid() in (0, path.stat().st_uid) and (path / "HEAD").exists() else None
    except OSError:
        return None


def deliver(bare: Path, name: str, *, now: bool = False) -> list[dict[str, Any]] | None:
    """Run the delivery of a repository; with `now` return what the farm had not known, lines of reflogs however young.

    None when the hook is not installed there for this name; raises Errored when something could not be delivered.
    """
    hook = _hook(bare)
    if hook is None or not _registered(bare, name):
        return None
    status = bare.stat()
    become: dict[str, Any] = {}
    if os.geteuid() != status.st_uid:
        become = {"user": status.st_uid, "group": status.st_gid, "extra_groups": []}
    command = [str(hook), "--deliver", *(["--now"] if now else []), str(bare)]
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=git.environment(),
            timeout=TIMEOUT,
            **become,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Errored(f"the pushes that {bare} still holds cannot be delivered: {error}") from error
    if done.returncode:
        raise Errored(done.stderr.decode(errors="replace").strip() or f"{hook} --deliver ends with {done.returncode}")
    return list(json.loads(done.stdout)) if now else []


@dataclass(slots=True)
class Spools:
    """The look at all repositories of this machine; a delivery that hangs holds up only its repository."""

    ledger: Ledger
    lanes: Lanes[Any] = field(default_factory=lambda: Lanes(2))
    _faults: dict[str, str] = field(default_factory=dict)

    def look(self) -> float:
        """Start the deliveries that are due; return when to look again."""
        for repository in self.ledger.repositories():
            bare = reachable(repository.url)
            if bare and due(bare):
                self.lanes.submit(repository.name, repository.name, partial(self._deliver, repository.name, bare))
        return LOOK

    def _deliver(self, name: str, bare: Path) -> None:
        try:
            deliver(bare, name)
            self._faults.pop(name, None)
        except Exception as error:
            if self._faults.get(name) != str(error):
                self._faults[name] = str(error)
                odd = not isinstance(error, Errored)
                log.warning("spool.not_delivered", repository=name, error=str(error), exc_info=odd)


def due(bare: Path) -> bool:
    """Return whether a delivery has something to do: a spool file that was left, a reflog with lines to be offered."""
    now = time.time()
    try:
        if any(abs(now - path.stat().st_mtime) > OWN for path in (bare / "farm" / "spool").iterdir()):
            return True
        looked = (bare / "farm" / "reflogs.json").stat().st_mtime
        if looked > now + OWN:  # the clock was wrong, and what was written meanwhile is of tomorrow
            return True
        changes = (path.stat().st_mtime for path in (bare / "logs" / "refs").rglob("*") if path.is_file())
        return any(looked - GRACE < changed <= now - GRACE for changed in changes)
    except OSError:
        return False


def _hook(bare: Path) -> Path | None:
    command = ["git", "-c", f"safe.directory={bare}", f"--git-dir={bare}", "rev-parse", "--git-path", "hooks"]
    done = subprocess.run(
        command,
        cwd=bare,
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=git.environment(),
        timeout=TIMEOUT,
    )
    hook = bare / os.fsdecode(done.stdout.strip()) / "post-receive"
    try:
        return hook if done.returncode == 0 and MARK in hook.read_bytes()[:1000] else None
    except OSError:
        return None


def _registered(bare: Path, name: str) -> bool:
    try:
        return bool(json.loads((bare / "farm" / "hook.json").read_text())["repository"] == name)
    except (OSError, ValueError, KeyError, TypeError):
        return False
