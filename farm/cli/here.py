"""This repository, this branch: what a command means when it is told neither. It asks git and the farm, nobody else.

A clone is of the repository whose registered clone URL is the address of one of its remotes, or else of the one whose
name is the last part of such an address.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.client import Client
from farm.errors import Refused


@dataclass(frozen=True, slots=True)
class Here:
    """The registered repository and the full ref that the current folder stands for; None where it stands for none."""

    repository: str | None = None
    ref: str | None = None

    @property
    def words(self) -> str:
        """Return it as a person says it."""
        ref = (self.ref or "").removeprefix("refs/heads/")
        return " ".join(part for part in (self.repository, ref) if part)


def here(client: Client, folder: Path | None = None) -> Here:
    """Return what the folder (default: the current one) is a clone of, and the branch that is checked out."""
    folder = folder or Path.cwd()
    remotes = [line.split(" ", 1)[1] for line in _git(folder, "config", "--get-regexp", r"^remote\..*\.url$")]
    if not remotes:
        return Here()
    top = next(iter(_git(folder, "rev-parse", "--show-toplevel")), str(folder))
    repository = match(remotes, client.repositories(), Path(top))
    if repository is None:
        return Here()
    return Here(repository, next(iter(_git(folder, "symbolic-ref", "--quiet", "HEAD")), None))


def match(remotes: Sequence[str], repositories: Sequence[Mapping[str, Any]], top: Path) -> str | None:
    """Return the name of the registered repository that the remotes' addresses lead to."""
    names = {str(row["name"]) for row in repositories}
    addresses = [address(remote, top) for remote in remotes]
    for row in repositories:
        if address(str(row["url"]), Path("/")) in addresses:
            return str(row["name"])
    return next((last for each in addresses if (last := each.rsplit("/", 1)[-1]) in names), None)


def address(url: str, top: Path) -> str:
    """Return an address in one form: host/path, or the path on this machine, without user, port, `.git` and slashes."""
    if found := re.match(r"(?:ssh|git|https?)://(?:[^@/]*@)?(\[[^\]]*\]|[^:/]*)(?::\d+)?/(.*)", url):
        text = f"{found[1]}/{found[2].removeprefix('~')}"
    elif found := re.match(r"(?:[^@/:]*@)?([^:/]+):(?!//)(.*)", url):
        text = f"{found[1]}/{found[2].lstrip('/')}"
    else:
        text = os.path.realpath(top / url.removeprefix("file://"))
    return text.rstrip("/").removesuffix("/.git").removesuffix(".git")


def registered(client: Client, name: str) -> None:
    """Refuse the name of a repository that the farm does not have; for where nothing was found under it."""
    names = [str(row["name"]) for row in client.repositories()]
    if name not in names:
        raise Refused(f"no repository {name!r} is registered" + (f"; there is {', '.join(names)}" if names else ""))


def choose(client: Client, number: int | None) -> int:
    """Return the number that was given, or that of the newest pipeline of this repository and branch."""
    if number is not None:
        return number
    place = here(client)
    if place.repository is None:
        raise Refused(
            "this folder is no clone of a registered repository; name a pipeline by its number: farm list --all"
        )
    newest = client.pipelines(repository=place.repository, ref=place.ref, limit=1)
    if not newest:
        raise Refused(f"{place.words} has no pipeline yet; push to it, or see all: farm list --all")
    return int(newest[0]["number"])


def _git(folder: Path, *arguments: str) -> Sequence[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, env=environment, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return []
    return done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []
