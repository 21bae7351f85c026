"""A bare repository on this machine, and what the farm has in it. It changes none of it."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from farm import git
from farm.errors import Errored, Refused

MARK = b"farm:post-receive"
_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*")


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
            raise Refused(f"{path} is no git repository: {error}; git init --bare PATH makes one") from None
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
        try:
            return self.git("symbolic-ref", "HEAD").removeprefix("refs/heads/")
        except Errored:
            mend = f"git -C {self.path} symbolic-ref HEAD refs/heads/main"
            raise Refused(f"the HEAD of {self.path} names no branch; say which is the default one: {mend}") from None

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
        return is_ours(self.hook)

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

    def reflogs(self) -> Mapping[str, Sequence[int | str]]:
        """Return up to where the reflog of each ref goes now: bytes, time of change in ns, last line."""
        found: dict[str, Sequence[int | str]] = {}
        for path in sorted((self.path / "logs" / "refs").rglob("*")):
            if path.is_file() and (data := path.read_bytes()):
                lines = data[: data.rfind(b"\n")].split(b"\n")
                ref = str(path.relative_to(self.path / "logs"))
                found[ref] = [len(data), path.stat().st_mtime_ns, lines[-1].decode(errors="surrogateescape")]
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


def is_ours(hook: Path) -> bool:
    """Return whether a hook is the farm's."""
    try:
        return MARK in hook.read_bytes()[:1000]
    except OSError:
        return False
