"""A bare repository on this machine, as the hook's installer sees it. It knows nothing of the farm's answers."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from farm import git
from farm.errors import Errored, Refused

MARK = b"farm:post-receive"
PREVIOUS = ".farm-previous"
_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*")
_SWITCHES = {"receive.advertisePushOptions": "true", "core.logAllRefUpdates": "always"}


@dataclass(frozen=True)
class Bare:
    """One bare repository by its absolute path."""

    path: Path

    @classmethod
    def find(cls, path: Path) -> Self:
        """Return the repository at a path; refuse what is no bare repository."""
        if not path.is_dir():
            raise Refused(f"there is no folder {path}; name a bare repository (git init --bare {path} makes one)")
        path = path.resolve()
        bare = cls(path)
        try:
            answer = bare.git("rev-parse", "--is-bare-repository", "--absolute-git-dir").split("\n")
        except Errored as error:
            raise Refused(f"{path} is no git repository: {error}") from None
        if answer[0] != "true":
            raise Refused(f"{path} is no bare repository; pushes go to bare ones (git clone --bare makes one)")
        return cls(Path(answer[1]))

    @property
    def name(self) -> str:
        """The name for the farm: the folder's, without .git. An image name must be able to begin with it."""
        name = self.path.name.removesuffix(".git") or self.path.parent.name
        if not _NAME.fullmatch(name):
            raise Refused(
                f"{name!r} cannot be the name of an image; give another one, such as"
                f" --name {re.sub('[^a-z0-9]+', '-', name.lower()).strip('-') or 'app'}"
            )
        return name

    @property
    def farm(self) -> Path:
        """The farm's folder in it."""
        return self.path / "farm"

    @property
    def spool(self) -> Path:
        """Where pushes wait that are not yet in the farm's ledger."""
        return self.farm / "spool"

    @cached_property
    def hook(self) -> Path:
        """Where git looks for the hook; core.hooksPath may lead elsewhere."""
        return self.path / self.git("rev-parse", "--git-path", "hooks") / "post-receive"

    @cached_property
    def default_branch(self) -> str:
        """The branch that HEAD names."""
        return self.git("symbolic-ref", "HEAD").removeprefix("refs/heads/")

    @property
    def settings(self) -> Mapping[str, Any] | None:
        """What the hook knows of its farm, or None where it knows nothing."""
        try:
            document = json.loads((self.farm / "hook.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        except PermissionError:
            raise Refused(f"{self.farm}/hook.json may not be read by you; run this as the repository's owner") from None
        complete = isinstance(document, dict) and {"url", "token", "repository"} <= document.keys()
        return document if complete else None

    @property
    def installed(self) -> bool:
        """Whether the hook is the farm's."""
        return _is_ours(self.hook)

    def refs(self) -> dict[str, str]:
        """Return the object id of every ref whose name is UTF-8; no pipeline can have another name."""
        lines = self.git("for-each-ref", "--format=%(objectname) %(refname)")
        return git.listed(lines.encode(errors="surrogateescape"), b" ")

    def spooled(self) -> Sequence[Path]:
        """Return the spool files."""
        return sorted(self.spool.glob("*.json"))

    def refused(self) -> Sequence[Path]:
        """Return what the farm refused."""
        return sorted((self.farm / "refused").glob("*.json"))

    def prepare(self) -> None:
        """Have git keep a reflog of each ref, bare repository or not, and take push options."""
        for name, value in _SWITCHES.items():
            self.git("config", name, value)

    def reflogs(self) -> Mapping[str, Sequence[int | str]]:
        """Return up to where the reflog of each ref goes now: bytes, time of change in ns, last line."""
        found: dict[str, Sequence[int | str]] = {}
        for path in sorted((self.path / "logs" / "refs").rglob("*")):
            if path.is_file() and (data := path.read_bytes()):
                lines = data[: data.rfind(b"\n")].split(b"\n")
                ref = str(path.relative_to(self.path / "logs"))
                found[ref] = [len(data), path.stat().st_mtime_ns, lines[-1].decode(errors="replace")]
        return found

    def install(
        self, settings: Mapping[str, str], registered: str, reflogs: Mapping[str, Sequence[int | str]]
    ) -> Path | None:
        """Put settings and hook in place and return where a foreign hook was kept, if there was one.

        What the reflogs list behind those given is offered to the farm, unless it goes on from the same registration.
        """
        try:
            self._folder(self.farm)
            self._folder(self.spool)
            self._write(self.farm / "hook.json", json.dumps(settings, indent=2).encode() + b"\n", 0o640)
            if self._registered() != registered:
                marks = {"registered": registered, "refs": reflogs}
                self._write(self.farm / "reflogs.json", json.dumps(marks).encode(), 0o660)
            kept = self._put_hook()
        except OSError as error:
            raise Refused(f"{error.filename}: {error.strerror}; run this as the repository's owner") from None
        return kept

    def remove(self) -> Path | None:
        """Take hook and settings away and return the hook that is back in its place; what is in the spool stays."""
        previous = self.hook.with_name(self.hook.name + PREVIOUS)
        try:
            (self.farm / "hook.json").unlink(missing_ok=True)
            if not (self.installed and self._alone()):
                return None
            if previous.exists():
                previous.rename(self.hook)
                return self.hook
            self.hook.unlink()
        except OSError as error:
            raise Refused(f"{error.filename}: {error.strerror}; run this as the repository's owner") from None
        return None

    def mistakes(self) -> Sequence[str]:
        """Return what keeps pushes from being reported, each with the line that mends it."""
        again = f"run: farm hook install {self.path}"
        found = []
        if not self.settings:
            found.append(f"it is not registered with a farm; {again}")
        if not self.installed:
            found.append(f"{self.hook} is not the farm's hook; {again}")
        elif not os.access(self.hook, os.X_OK):
            found.append(f"{self.hook} cannot be executed; run: chmod +x {self.hook}")
        elif self.hook.read_bytes() != _script():
            found.append(f"{self.hook} is of another version of the farm; {again}")
        for name, value in _SWITCHES.items():
            if self.git("config", "--default", "", "--get", name).lower() != value:
                found.append(f"{name} is not {value}; run: git -C {self.path} config {name} {value}")
        return found

    def remark(self) -> str | None:
        """Return what git cannot tell of this repository, with the line that mends it, or None."""
        if not (self.path / "reftable" / "tables.list").exists():
            return None
        return (
            "git keeps its refs as a reftable, which has no reflog files: of the pushes whose hook is killed before it"
            " has begun, only where they led is found, by `git ls-remote`;"
            f" run: git -C {self.path} refs migrate --ref-format=files"
        )

    def git(self, *arguments: str) -> str:
        """Run git in the repository and return what it prints; nothing of a caller's git environment leaks in."""
        command = ["git", "-c", f"safe.directory={self.path}", *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=self.path,
                env=git.environment(),
                check=False,
                capture_output=True,
                stdin=subprocess.DEVNULL,
            )
        except FileNotFoundError:
            raise Refused("the program git is not there; install it (apt-get install git)") from None
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
            raise Errored(words or f"git {arguments[0]} ends with {done.returncode}")
        return done.stdout.decode(errors="surrogateescape").strip("\n")

    def _alone(self) -> bool:
        """Whether the hooks folder is this repository's own; one that several share keeps the hook."""
        return self.hook.parent.resolve().is_relative_to(self.path)

    def _registered(self) -> str | None:
        try:
            return str(json.loads((self.farm / "reflogs.json").read_text())["registered"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _put_hook(self) -> Path | None:
        hook, kept = self.hook, None
        hook.parent.mkdir(parents=True, exist_ok=True)
        if hook.exists() and not _is_ours(hook):
            kept = hook.with_name(hook.name + PREVIOUS)
            if kept.exists():
                raise Refused(f"{kept} and a foreign {hook} are both there; join the two into one file, then repeat")
            hook.rename(kept)
        self._write(hook, _script(), 0o755)
        return kept

    def _folder(self, path: Path) -> None:
        """Make a folder that whoever may write to the repository may use."""
        path.mkdir(exist_ok=True)
        self._own(path)
        path.chmod(0o2770 if self.path.stat().st_mode & stat.S_IWGRP else 0o750)

    def _write(self, path: Path, content: bytes, mode: int) -> None:
        draft = path.with_name(f".{path.name}.new")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.write(content)
        self._own(draft)
        draft.chmod(mode)
        draft.rename(path)

    def _own(self, path: Path) -> None:
        """Give a file to the repository's owner and group when root installs for others."""
        wanted, is_ = self.path.stat(), path.stat()
        if (wanted.st_uid, wanted.st_gid) != (is_.st_uid, is_.st_gid):
            shutil.chown(path, wanted.st_uid if os.geteuid() == 0 else None, wanted.st_gid)


def _is_ours(hook: Path) -> bool:
    try:
        return MARK in hook.read_bytes()[:1000]
    except OSError:
        return False


def _script() -> bytes:
    """Return the hook, which is in deploy/ of a checkout and inside `farm` in a wheel.

    Its first line is changed to the system's own Python without site packages: a third of the start-up, and nothing
    that a pusher's environment could change.
    """
    package = Path(__file__).parents[1]
    installed = package / "deploy/post-receive"
    script = (installed if installed.exists() else package.parent / "deploy/post-receive").read_bytes()
    system = Path("/usr/bin/python3")
    python = str(system) if system.exists() else shutil.which("python3") or sys.executable
    return f"#!{python} -IS\n".encode() + script.split(b"\n", 1)[1]
