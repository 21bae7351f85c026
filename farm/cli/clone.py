"""The work tree in front of a person as `farm run` sees it: top, HEAD, its files. It changes nothing."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from farm import git
from farm.errors import Refused, why

LIMIT = 1 << 20  # bytes that are read of a definition


@dataclass(frozen=True, slots=True)
class Clone:
    """A work tree; `commit` is None before the first commit."""

    top: Path
    directory: Path
    ref: str
    commit: git.Commit | None
    repository: str

    def text(self, path: str, *, dirty: bool) -> bytes | None:
        """Return a file of HEAD, or of the work tree; None where there is none."""
        if not dirty:
            return git.show(self.directory, self.commit.id, path, limit=LIMIT) if self.commit else None
        try:
            with (self.top / path).open("rb") as stream:
                return stream.read(LIMIT)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Refused(f"{self.top / path} cannot be read: {why(error)}; mend its path or rights") from None


def clone(folder: Path) -> Clone:
    """Return the work tree around a folder; refuse where there is none."""
    top = Path(_git(folder, "rev-parse", "--show-toplevel"))
    directory = folder / _git(folder, "rev-parse", "--git-dir")
    head = _found(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return Clone(
        top=top,
        directory=directory.resolve(),
        ref=_found(folder, "symbolic-ref", "--quiet", "HEAD") or "refs/heads/detached",
        commit=git.describe(directory, head) if head else None,
        repository=_name(_found(folder, "config", "--get", "remote.origin.url") or top.name),
    )


def default_branch(folder: Path) -> str | None:
    """Return what a clone around a folder knows as the default branch of its origin, None where it knows none."""
    head = _found(folder, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
    return head.removeprefix("refs/remotes/origin/") or None


def _name(address: str) -> str:
    last = re.split(r"[/:]", address.rstrip("/").removesuffix("/.git").removesuffix(".git"))[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip(".-") or "repository"


def _found(folder: Path, *command: str) -> str:
    done = _run(folder, *command)
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


def _git(folder: Path, *command: str) -> str:
    done = _run(folder, *command)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines() or [""]
        if "not a git repository" in words[0]:
            raise Refused("this folder is in no git repository; go into a clone, or begin one: git init")
        if "work tree" in words[0]:
            raise Refused("this is a bare repository without files; go into a clone of it")
        raise Refused(f"git cannot read this folder: {words[0].removeprefix('fatal: ')}")
    return os.fsdecode(done.stdout).removesuffix("\n")


def _run(folder: Path, *command: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *command],
            env=git.environment() | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise Refused("there is no `git` on this machine; install it") from None
