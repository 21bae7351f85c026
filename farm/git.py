"""Functions over the git program: mirrors of repositories, and what a commit holds. It keeps no checkout.

Every mirror is a bare repository that several processes share, so a fetch holds a lock of that mirror; reading needs
none. Arguments from outside are checked before git sees them, and nothing of the caller's own git environment leaks in.
"""

import codecs
import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from farm.errors import Errored, Failed, Refused
from farm.push import check_ref

FETCH_TIMEOUT = 900.0  # seconds; the first fetch of a large repository may take minutes
AGAIN_TIMEOUT = 180.0  # seconds for what came since, so that a host that hangs is noticed sooner
_LOOK_TIMEOUT = 30.0
_POLL = 0.25
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SCP = re.compile(r"[\w.-]+(@[\w.-]+)?:(?!:)[^\s]+")
_SCHEMES = ("file", "ssh", "git", "http", "https")
# What a git that was killed, or a host that lost power, leaves behind in a mirror; making the mirror anew mends it.
_BROKEN = re.compile(
    r"\.lock': File exists|object file .* is empty|loose object .* is corrupt|bad object|Could not read [0-9a-f]{40}"
)
_OPTIONS = (
    ("core.hooksPath", os.devnull),
    ("gc.autoDetach", "false"),  # inside the lock, so that nothing works on a mirror behind the farm's back
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    ("protocol.ext.allow", "never"),
    ("safe.directory", "*"),  # mirrors may belong to another user of this machine's farm
)


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit says about itself. It says nothing about its files."""

    id: str
    subject: str
    author: str
    email: str
    message: str
    time: float


@dataclass(frozen=True, slots=True)
class Look:
    """What the dispatcher needs to know of a push, as the mirror has it."""

    commit: Commit
    text: bytes | None
    """A file's content at the commit, None where there is no such file."""
    tip: str | None
    """The commit at which the pushed ref is in the mirror."""
    fetched: bool
    """Whether that was fetched for this look; else the ref may have moved since."""


def mirror_path(home: Path, repository: str) -> Path:
    """Return where the mirror of a repository lies under FARM_HOME; dispatcher and workers of one home share it."""
    if not repository or repository.startswith(("/", "-", ".")) or ".." in repository or "\0" in repository:
        raise Refused(f"{repository!r} is no name for a repository; use letters, digits, `.`, `_`, `-` and `/`")
    return home / "mirrors" / f"{repository}.git"


def mirrors(home: Path) -> Iterator[Path]:
    """Give every mirror below FARM_HOME; the time of its folder is that of its last use."""
    for name, folders, _ in os.walk(home / "mirrors"):
        if name.endswith(".git") and "objects" in folders:
            folders.clear()
            yield Path(name)


def forget(mirror: Path) -> bool:
    """Delete a mirror, it is fetched again when it is needed; False if somebody is fetching into it now."""
    lock = os.open(mirror.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(mirror)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def ensure(mirror: Path, url: str, commit: str, *, check: Callable[[], None] = lambda: None) -> str:
    """Bring a commit into the mirror unless it is there and return its id; an annotated tag gives its commit.

    `check` is called a few times a second while git works and may raise to stop it. Raises Failed when the repository
    no longer has the commit and Errored when the repository cannot be read.
    """
    found = find(mirror, commit)
    if found is None:
        fetch(mirror, url, check=check)
        found = find(mirror, commit)
    if found is None:  # no ref leads to it any more; while the server has not thrown it away, it gives it by its id
        with _locked(mirror, check) as lock, suppress(Errored):
            _git(mirror, *_fetch_from(url), oid(commit), check=check, lock=lock)
        found = find(mirror, commit)
    if found is None:
        raise Failed(f"commit {commit[:7]} is gone from {shown(url)}: it was force-pushed away; push it again")
    with suppress(OSError):
        os.utime(mirror)  # see mirrors()
    return found


def look(mirror: Path, url: str, commit: str, ref: str, path: str, *, check: Callable[[], None] = lambda: None) -> Look:
    """Return what a commit says, a file at it, and where a ref is; it fetches when the mirror has no such commit.

    Raises what `ensure` raises.
    """
    check_ref(ref)
    if found := _peek(mirror, oid(commit), ref, path):
        return Look(*found, fetched=False)
    fetch(mirror, url, check=check)
    found = _peek(mirror, commit, ref, path)
    if found is None:
        ensure(mirror, url, commit, check=check)
        found = _peek(mirror, commit, ref, path)
    if found is None:
        raise Errored(f"the mirror {mirror} cannot be read; remove it, it is made anew")
    return Look(*found, fetched=True)


def fetch(mirror: Path, url: str, *, check: Callable[[], None] = lambda: None) -> None:
    """Make the mirror, or bring its branches and tags up to date. Raises Errored when the repository cannot be read."""
    command = (*_fetch_from(url), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    with _locked(mirror, check) as lock:
        first = _init(mirror)
        try:
            _git(mirror, *command, check=check, lock=lock, timeout=FETCH_TIMEOUT if first else AGAIN_TIMEOUT)
        except Errored as error:
            if not _BROKEN.search(str(error.__cause__)):
                raise
            shutil.rmtree(mirror)
            _init(mirror)
            _git(mirror, *command, check=check, lock=lock)


def find(mirror: Path, commit: str) -> str | None:
    """Return the id of the commit if the mirror has it, else None. It never fetches."""
    try:
        return _git(mirror, "rev-parse", "--verify", "--quiet", f"{oid(commit)}^{{commit}}").decode().strip()
    except Errored:
        return None


def describe(mirror: Path, commit: str) -> Commit:
    """Return what a commit of the mirror says about itself."""
    return _said(oid(commit), _git(mirror, "cat-file", "commit", commit))


def after(mirror: Path, commit: str, tip: str) -> frozenset[str]:
    """Return the commits that follow a commit on the ways to a tip, the tip included; none where no way leads there."""
    lines = _git(mirror, "rev-list", "--ancestry-path", f"{oid(commit)}..{oid(tip)}")
    return frozenset(lines.decode().split())


def show(mirror: Path, commit: str, path: str, *, limit: int = 1 << 20) -> bytes | None:
    """Return the start of a file at a commit, at most `limit` bytes, or None when there is no such file."""
    if path.startswith("/") or "\0" in path or "\n" in path:
        raise Refused(f"{path!r} is no path inside a repository; write it relative to the repository's root")
    try:
        return _git(mirror, "cat-file", "blob", f"{oid(commit)}:{path}")[:limit]
    except Errored:
        if find(mirror, commit) is None:
            raise
        return None


@contextmanager
def archive(mirror: Path, commit: str, folder: str = ".", *, below: str = "") -> Iterator[IO[bytes]]:
    """Give the tree of a commit, or one folder of it with its full path, as a stream of tar.

    With `below` all lies below that path, and everybody may write there: whoever unpacks it is not who uses it.

    It has what a checkout has, so files with `export-ignore` too, but neither submodules nor what LFS holds. Raises
    Errored at the end if git could not finish.
    """
    paths = () if folder == "." else ("--", f":(literal){folder}")
    open_to_all = ("-c", "tar.umask=0") if below else ()
    prefix = (f"--prefix={below.strip('/')}/",) if below else ()
    git = _start(mirror, (*open_to_all, "archive", "--format=tar", *prefix, oid(commit), *paths))
    assert git.stdout is not None and git.stderr is not None  # noqa: S101, PT018
    try:
        yield git.stdout
        git.stdout.read()  # whoever reads a tar may stop at its end mark, before git has written its padding
        if git.wait(_LOOK_TIMEOUT):
            raise Errored(f"git cannot read commit {commit[:7]}: {_last(git.stderr.read())}")
    finally:
        _end(git)


def changed(mirror: Path, old: str, new: str, *, paths: Sequence[str] = (), ignore: Sequence[str] = ()) -> bool:
    """Say whether a commit differs from an older one in `paths` (none: anywhere) beside those to ignore.

    They are names, folders, or globs in which `*` stops at a slash and `**` does not.
    """
    specs = [f":(top,glob){path}" for path in paths] + [f":(top,exclude,glob){path}" for path in ignore]
    return bool(_git(mirror, "diff-tree", "-r", "--name-only", "--no-renames", "-z", oid(old), oid(new), "--", *specs))


def ls_remote(url: str, *refs: str, timeout: float = _LOOK_TIMEOUT) -> Mapping[str, str]:
    """Return the branches and tags of a repository, or some of them, with their ids, by asking it. Needs no mirror.

    Those whose names are not UTF-8 are left out: no pipeline can have such a name.
    """
    command = ("ls-remote", "--quiet", "--refs", *_upload_pack(url), "--", checked(url), *refs)
    found = listed(_git(None, *command, timeout=timeout, about=url), b"\t")
    return {ref: ident for ref, ident in found.items() if ref.startswith(("refs/heads/", "refs/tags/"))}


def listed(lines: bytes, between: bytes) -> dict[str, str]:
    """Read git's lines of id and ref. A ref may hold what Unicode takes for the end of a line; it need not be UTF-8."""
    found = {}
    for line in lines.split(b"\n"):
        ident, there, ref = line.partition(between)
        with suppress(UnicodeDecodeError):
            if there:
                found[ref.decode()] = ident.decode()
    return found


def oid(value: str) -> str:
    """Return the value if it is a full object id; refuse anything that git could take for an option or a range."""
    if not _OID.fullmatch(value):
        raise Refused(f"{value!r} is no full object id of git; send 40 (or 64) lower-case hex digits")
    return value


def checked(url: str) -> str:
    """Return the URL if git may be given it: a path or ssh, git, http, https, file; refuse helpers and options."""
    if "\n" not in url and "\0" not in url and not url.startswith("-"):
        if url.startswith("/") or (_SCP.fullmatch(url) and "://" not in url):
            return url
        if "://" in url and urlsplit(url).scheme in _SCHEMES:
            return url
    raise Refused(
        f"{url!r} is no clone URL; give an absolute path or one that begins with ssh://, https:// or user@host:"
    )


def local(url: str) -> Path | None:
    """Return the path of a repository of this machine, or None for one that is reached over the network."""
    if url.startswith("/"):
        return Path(url)
    return Path(urlsplit(url).path) if url.startswith("file://") else None


def host(url: str) -> str:
    """Return the host that a clone URL leads to; "" for this machine."""
    if local(url):
        return ""
    if "://" in url:
        return urlsplit(url).hostname or ""
    return url.partition(":")[0].rpartition("@")[2]


def shown(url: str) -> str:
    """Return the URL without the password that it may carry."""
    parts = urlsplit(url) if "://" in url else None
    if parts is None or "@" not in parts.netloc:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host))


def _peek(mirror: Path, commit: str, ref: str, path: str) -> tuple[Commit, bytes | None, str | None] | None:
    """Return commit, file and tip by one process of git, or None where the mirror has no such commit."""
    names = (f"{commit}^{{commit}}", f"{commit}^{{commit}}:{path}", f"{ref}^{{commit}}")
    try:
        out = _git(mirror, "cat-file", "--batch", text="".join(f"{name}\n" for name in names).encode())
    except Errored:
        return None
    found: list[tuple[str, bytes] | None] = []
    for kind in ("commit", "blob", "commit"):
        head, _, out = out.partition(b"\n")
        ident, *words = head.decode(errors="replace").split(" ")
        if len(words) != 2 or not words[1].isdigit():  # noqa: PLR2004 - "<id> <type> <size>", else "<name> missing"
            found.append(None)
            continue
        content, out = out[: int(words[1])], out[int(words[1]) + 1 :]
        found.append((ident, content) if words[0] == kind else None)
    said, file, tip = found
    return (_said(*said), file and file[1], tip and tip[0]) if said else None


def _said(ident: str, content: bytes) -> Commit:
    """Read a commit as git keeps it."""
    head, _, body = content.partition(b"\n\n")
    encoding = re.search(rb"^encoding (\S+)$", head, re.MULTILINE)
    try:
        codec = codecs.lookup(encoding[1].decode()).name if encoding else "utf-8"
    except (LookupError, UnicodeDecodeError):
        codec = "utf-8"
    message = body.decode(codec, "replace").strip()
    author = re.search(r"^author (.*?) ?<([^>\n]*)>", head.decode(codec, "replace"), re.MULTILINE)
    when = re.search(rb"^committer .*> (\d+) ", head, re.MULTILINE)
    subject = " ".join(line.strip() for line in re.split(r"\n\s*\n", message, maxsplit=1)[0].split("\n"))
    name, email = (author[1], author[2]) if author else ("", "")
    return Commit(ident, subject, name, email, message, float(when[1]) if when else 0.0)


def _fetch_from(url: str) -> tuple[str, ...]:
    return ("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", *_upload_pack(url), "--", checked(url))


def _upload_pack(url: str) -> tuple[str, ...]:
    """Let git read a local repository of another user: its own child does not inherit `-c safe.directory`."""
    return ("--upload-pack", "git -c safe.directory='*' upload-pack") if local(url) else ()


def _init(mirror: Path) -> bool:
    """Make a mirror unless there is one; return whether nothing was ever fetched into it."""
    if not (mirror / "info" / "attributes").exists():
        _git(None, "init", "--quiet", "--bare", "--template=", "--", str(mirror))
        (mirror / "info").mkdir(exist_ok=True)
        # An archive shall hold what a checkout holds; this file outranks the .gitattributes of every tree.
        (mirror / "info" / "attributes").write_text("* -export-ignore -export-subst\n")
    return not any((mirror / "objects" / "pack").glob("*.pack")) and not any((mirror / "objects").glob("??"))


@contextmanager
def _locked(mirror: Path, check: Callable[[], None]) -> Iterator[int]:
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


def _git(
    mirror: Path | None,
    *command: str,
    check: Callable[[], None] = lambda: None,
    lock: int | None = None,
    timeout: float = FETCH_TIMEOUT,
    about: str = "",
    text: bytes = b"",
) -> bytes:
    """Run git to its end and return what it printed; git's own words are the cause of the Errored that this raises.

    The text that it is given must fit into a pipe.
    """
    git = _start(mirror, command, lock, text=text)
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
        _end(git)
    if git.returncode:
        what = shown(about or (command[command.index("--") + 1] if "--" in command else str(mirror)))
        words = err.decode(errors="replace").strip()
        raise Errored(f"git cannot read {what}: {_last(err)}; check that it is there and may be read from here") from (
            RuntimeError(words)
        )
    return out


def _start(
    mirror: Path | None, command: Sequence[str], lock: int | None = None, *, text: bytes = b""
) -> subprocess.Popen[bytes]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    options = [word for key, value in _OPTIONS for word in ("-c", f"{key}={value}")]
    where = [f"--git-dir={mirror}"] if mirror else []
    try:
        git = subprocess.Popen(
            ["git", *options, *where, *command],
            stdin=subprocess.PIPE if text else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            pass_fds=() if lock is None else (lock,),
            start_new_session=True,  # no terminal that ssh could ask for a password, and one group to kill
        )
    except OSError as error:
        raise Errored(f"git cannot be started: {error}; install git on this machine") from error
    if git.stdin:
        with suppress(BrokenPipeError), git.stdin:  # it ended already and says why
            git.stdin.write(text)
        git.stdin = None
    return git


def _end(git: subprocess.Popen[bytes]) -> None:
    if git.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(git.pid, signal.SIGKILL)
        git.wait()
    for stream in (git.stdout, git.stderr):
        if stream is not None:
            stream.close()


def _last(words: bytes) -> str:
    """Return the line of git's words that says most: the first fatal or error, else the last one."""
    lines = [line.strip() for line in words.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))]
    line = (telling or lines or ["it gave no reason"])[0 if telling else -1]
    line = line.removeprefix("fatal:").removeprefix("error:").strip().rstrip(".")
    return re.sub(r"//[^/@\s]+@", "//", line)
