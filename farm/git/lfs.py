"""What Git LFS holds of a commit, fetched into its mirror by the `git-lfs` program; `archive` fills it in.

Objects come from the repository's own server, or from the http server that the commit's `.lfsconfig` names: what was
pushed by anybody cannot send a worker to other places of its disk.
"""

import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from farm.errors import Errored, Failed
from farm.git.login import Login
from farm.git.program import run
from farm.git.reading import show
from farm.git.urls import checked, local, oid, scheme

_LOST = re.compile(r"\b404\b|not exist|not found|no such file|missing", re.IGNORECASE)


def fetch_lfs(
    mirror: Path, url: str, commit: str, *, check: Callable[[], None] = lambda: None, login: Login | None = None
) -> None:
    """Bring all that LFS holds of a commit into the mirror.

    Raises Failed when the server lacks some of it, Errored when it cannot be asked or this machine has no git-lfs.
    """
    if shutil.which("git-lfs") is None:
        raise Errored("`source: lfs` needs the program git-lfs on this worker; install it (apt-get install git-lfs)")
    options = ("-c", f"remote.origin.url={checked(url)}", *_from(mirror, commit, url))
    try:
        run(
            mirror,
            *options,
            "lfs",
            "fetch",
            "origin",
            oid(commit),
            check=check,
            about=url,
            env=login.environment(url) if login else None,
        )
    except Errored as error:
        if _LOST.search(str(error.__cause__)):
            raise Failed(f"Git LFS lacks files of {commit[:7]}; push them with `git lfs push --all origin`") from error
        raise


def _from(mirror: Path, commit: str, url: str) -> tuple[str, ...]:
    """Return the options that say where objects come from, before what the tree of any commit says."""
    wanted = ""
    if text := show(mirror, commit, ".lfsconfig", limit=10_000):
        with suppress(Errored):
            wanted = run(None, "config", "--file", "-", "--get", "lfs.url", text=text).decode().strip()
    if scheme(wanted) not in ("http", "https"):
        wanted = _endpoint(url)
    pairs = {"lfs.url": wanted, "lfs.fetchinclude": "", "lfs.fetchexclude": ""}
    return tuple(word for key, value in pairs.items() for word in ("-c", f"{key}={value}"))


def _endpoint(url: str) -> str:
    """Return where the objects of a repository are, as git-lfs itself finds it."""
    if path := local(url):
        return f"file://{path}"
    if scheme(url) in ("http", "https"):
        bare = url.rstrip("/").removesuffix(".git")
        return f"{bare}.git/info/lfs"
    return url
