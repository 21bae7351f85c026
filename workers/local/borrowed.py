"""A mirror that borrows the commits of a work tree on this machine, and the state of that tree as a commit.

Nothing is copied, and nothing is written into the work tree or its repository.
"""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from farm import git
from farm.errors import Refused

_NOBODY = {f"GIT_{role}_{what}": "farm" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def borrow(mirror: Path, folder: Path) -> None:
    """Make a bare mirror that has every commit of the work tree's repository."""
    form = _git(folder, "rev-parse", "--show-object-format")
    _git(folder, "init", "--quiet", "--bare", "--template=", f"--object-format={form}", "--", str(mirror))
    (mirror / "info").mkdir(exist_ok=True)
    (mirror / "info" / "attributes").write_text("* -export-ignore -export-subst\n")  # a tree as a checkout has it
    objects = folder / _git(folder, "rev-parse", "--git-path", "objects")
    (mirror / "objects" / "info" / "alternates").write_text(f"{objects.resolve()}\n")


def snapshot(mirror: Path, folder: Path, parent: str) -> str:
    """Write the work tree as it is, without what git ignores, as a commit into the mirror; return its id."""
    index = folder / _git(folder, "rev-parse", "--git-path", "index")
    own = mirror / "index"
    if index.exists():
        shutil.copyfile(index, own)  # what it knows of unchanged files saves reading them
    environment = {
        "GIT_INDEX_FILE": str(own),
        "GIT_OBJECT_DIRECTORY": str(mirror / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": (mirror / "objects" / "info" / "alternates").read_text().strip(),
        **_NOBODY,
    }
    _git(folder, "-c", "core.splitIndex=false", "add", "--all", environment=environment)
    tree = _git(folder, "write-tree", environment=environment)
    parents = ("-p", parent) if parent else ()
    return _git(folder, "commit-tree", tree, *parents, "-m", "uncommitted changes", environment=environment)


def origin(folder: Path) -> str | None:
    """Return where the repository of a work tree was cloned from, or None where that is not known."""
    try:
        return _git(folder, "remote", "get-url", "origin") or None
    except Refused:
        return None


def _git(folder: Path, *command: str, environment: Mapping[str, str] | None = None) -> str:
    options = ("-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false")
    done = subprocess.run(
        ["git", "-C", str(folder), *options, *command],
        env={**git.environment(), "LC_ALL": "C", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise Refused(f"git cannot read {folder}: {words[-1].removeprefix('fatal: ').removeprefix('error: ')}")
    return done.stdout.decode(errors="surrogateescape").strip()
