"""Mirrors: bare repositories that several processes share. A fetch holds a lock of its mirror; reading needs none."""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from farm.errors import Errored, Failed, Refused
from farm.git.login import Login
from farm.git.program import FETCH_TIMEOUT, run, upload_pack
from farm.git.room import delete
from farm.git.urls import checked, oid, shown

AGAIN_TIMEOUT = 180.0  # seconds for what came since, so that a host that hangs is noticed sooner
# What a git that was killed, or a host that lost power, leaves behind in a mirror; making the mirror anew mends it.
_BROKEN = re.compile(
    r"\.lock': File exists|object file .* is empty|loose object .* is corrupt|bad object|Could not read [0-9a-f]{40}"
)
_OTHER_IDS = re.compile(r"mismatched algorithms: client \w+; server (\w+)")


def mirror_path(home: Path, repository: str) -> Path:
    """Return where the mirror of a repository lies under FARM_HOME; dispatcher and workers of one home share it."""
    if not repository or repository.startswith(("/", "-", ".")) or ".." in repository or "\0" in repository:
        raise Refused(f"{repository!r} is no name for a repository; use letters, digits, `.`, `_`, `-` and `/`")
    return home / "mirrors" / f"{repository}.git"


def ensure(
    mirror: Path, url: str, commit: str, *, check: Callable[[], None] = lambda: None, login: Login | None = None
) -> str:
    """Bring a commit into the mirror unless it is there and return its id; an annotated tag gives its commit.

    `check` is called a few times a second while git works and may raise to stop it. Raises Failed when the repository
    no longer has the commit and Errored when the repository cannot be read.
    """
    found = find(mirror, commit)
    if found is None:
        fetch(mirror, url, check=check, login=login)
        found = find(mirror, commit)
    if found is None:  # no ref leads to it any more; while the server has not thrown it away, it gives it by its id
        with locked(mirror, check) as lock, suppress(Errored):
            run(mirror, *_fetch_from(url), oid(commit), check=check, lock=lock, env=_environment(url, login))
        found = find(mirror, commit)
    if found is None and (kind := _kind(mirror, commit)):
        raise Failed(f"{commit[:7]} leads to a {kind}, not to a commit: there is nothing to build; tag a commit")
    if found is None:
        raise Failed(f"commit {commit[:7]} is gone from {shown(url)}: it was force-pushed away; push it again")
    with suppress(OSError):
        os.utime(mirror)  # see mirrors()
    return found


def fetch(mirror: Path, url: str, *, check: Callable[[], None] = lambda: None, login: Login | None = None) -> None:
    """Make the mirror, or bring its branches and tags up to date. Raises Errored when the repository cannot be read."""
    command = (*_fetch_from(url), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    env = _environment(url, login)
    with locked(mirror, check) as lock:
        first = _init(mirror)
        try:
            run(mirror, *command, check=check, lock=lock, timeout=FETCH_TIMEOUT if first else AGAIN_TIMEOUT, env=env)
        except Errored as error:
            words = str(error.__cause__)
            other = _OTHER_IDS.search(words)
            if not (other or _BROKEN.search(words)):
                raise
            delete(mirror)
            _init(mirror, other[1] if other else "sha1")
            run(mirror, *command, check=check, lock=lock, env=env)


def find(mirror: Path, commit: str) -> str | None:
    """Return the id of the commit if the mirror has it, else None. It never fetches."""
    try:
        return run(mirror, "rev-parse", "--verify", "--quiet", f"{oid(commit)}^{{commit}}").decode().strip()
    except Errored:
        return None


def _kind(mirror: Path, ident: str) -> str | None:
    """Return what kind of object an id leads to, None if the mirror has none of it."""
    try:
        return run(mirror, "cat-file", "-t", f"{oid(ident)}^{{}}").decode().strip()
    except Errored:
        return None


def _fetch_from(url: str) -> tuple[str, ...]:
    options = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--update-shallow")
    return ("fetch", *options, *upload_pack(url), "--", checked(url))


def _environment(url: str, login: Login | None) -> Mapping[str, str]:
    return login.environment(url) if login else {}


def _init(mirror: Path, ids: str = "sha1") -> bool:
    """Make a mirror unless there is one; return whether nothing was ever fetched into it."""
    if not (mirror / "info" / "attributes").exists():
        run(None, "init", "--quiet", "--bare", "--template=", f"--object-format={ids}", "--", str(mirror))
        (mirror / "info").mkdir(exist_ok=True)
        # An archive shall hold what a checkout holds; this file outranks the .gitattributes of every tree.
        (mirror / "info" / "attributes").write_text("* -export-ignore -export-subst\n")
    return not any((mirror / "objects" / "pack").glob("*.pack")) and not any((mirror / "objects").glob("??"))


@contextmanager
def locked(mirror: Path, check: Callable[[], None]) -> Iterator[int]:
    """Hold the mirror's lock. A git that outlives a killed worker keeps it too, until it is done."""
    mirror.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(mirror.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        deadline = time.monotonic() + FETCH_TIMEOUT
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                check()
                if time.monotonic() > deadline:
                    raise Errored(
                        f"another git has held the mirror {mirror} for {FETCH_TIMEOUT:.0f} s; look at it"
                    ) from None
                time.sleep(0.02)
        yield lock
    finally:
        os.close(lock)
