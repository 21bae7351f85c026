"""What a commit of a mirror holds and says, and what a repository lists of its refs. It changes no mirror by itself."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from farm.errors import Errored, Refused
from farm.git.login import Login
from farm.git.mirror import ensure, fetch, find
from farm.git.program import LOOK_TIMEOUT, end, last, run, start, upload_pack
from farm.git.urls import checked, oid
from farm.push import check_ref

# With LFS what `git lfs install` writes down, without it nothing of that: a machine's own settings have no say.
_LFS = {
    True: ("process=git-lfs filter-process", "smudge=git-lfs smudge -- %f", "required=true"),
    False: ("process=", "smudge=", "required=false"),
}


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


def look(
    mirror: Path,
    url: str,
    commit: str,
    ref: str,
    path: str,
    *,
    check: Callable[[], None] = lambda: None,
    login: Login | None = None,
) -> Look:
    """Return what a commit says, a file at it, and where a ref is; it fetches when the mirror has no such commit.

    Raises what `ensure` raises.
    """
    check_ref(ref)
    if found := _peek(mirror, oid(commit), ref, path):
        return Look(*found, fetched=False)
    fetch(mirror, url, check=check, login=login)
    found = _peek(mirror, commit, ref, path)
    if found is None:
        ensure(mirror, url, commit, check=check, login=login)
        found = _peek(mirror, commit, ref, path)
    if found is None:
        raise Errored(f"the mirror {mirror} cannot be read; remove it, it is made anew")
    return Look(*found, fetched=True)


def describe(mirror: Path, commit: str) -> Commit:
    """Return what a commit of the mirror says about itself."""
    return said(oid(commit), run(mirror, "cat-file", "commit", commit))


def after(mirror: Path, commit: str, tip: str) -> frozenset[str]:
    """Return the commits that follow a commit on the ways to a tip, the tip included; none where no way leads there."""
    lines = run(mirror, "rev-list", "--ancestry-path", f"{oid(commit)}..{oid(tip)}")
    return frozenset(lines.decode().split())


def show(mirror: Path, commit: str, path: str, *, limit: int = 1 << 20) -> bytes | None:
    """Return the start of a file at a commit, at most `limit` bytes, or None when there is no such file."""
    if path.startswith("/") or "\0" in path or "\n" in path:
        raise Refused(f"{path!r} is no path inside a repository; write it relative to the repository's root")
    try:
        return run(mirror, "cat-file", "blob", f"{oid(commit)}:{path}")[:limit]
    except Errored:
        if find(mirror, commit) is None:
            raise
        return None


def paths(mirror: Path, commit: str, *endings: str) -> list[str]:
    """Return the paths of the files of a commit with one of these endings. What is no UTF-8 in them is left out."""
    names = run(mirror, "ls-tree", "-r", "--name-only", "-z", oid(commit)).split(b"\0")
    return [name for raw in names if (name := raw.decode(errors="ignore")).endswith(endings)]


def matching(mirror: Path, commit: str, pattern: str) -> list[str]:
    """Return the files of a commit that a pattern matches, in which `*` stops at a slash and `**` does not."""
    empty = run(mirror, "hash-object", "-t", "tree", "--stdin").decode().strip()
    what = ("--name-only", "--diff-filter=A", "-z", empty, oid(commit), "--", f":(top,glob){pattern}")
    command = ("diff-tree", "-r", *what)
    return [name for raw in run(mirror, *command).split(b"\0") if (name := raw.decode(errors="ignore"))]


@contextmanager
def archive(
    mirror: Path, commit: str, folder: str = ".", *, below: str = "", path: str = "", lfs: bool = False
) -> Iterator[IO[bytes]]:
    """Give the tree of a commit, or one folder of it with its full path, as a stream of tar.

    With `below` all lies below that path, and everybody may write there: whoever unpacks it is not who uses it. With
    `path` it is the tree of a submodule at that path.

    It has what a checkout has, so files with `export-ignore` too, but no submodules, and what LFS holds only where it
    was fetched before and `lfs` says so. Raises Errored at the end if git could not finish.
    """
    paths = () if folder == "." else ("--", f":(literal){folder}")
    open_to_all = ("-c", "tar.umask=0") if below else ()
    above = "/".join(filter(None, (below.strip("/"), path)))
    prefix = (f"--prefix={above}/",) if above else ()
    filters = tuple(word for each in _LFS[lfs] for word in ("-c", f"filter.lfs.{each}"))
    git = start(mirror, (*open_to_all, *filters, "archive", "--format=tar", *prefix, oid(commit), *paths))
    assert git.stdout is not None and git.stderr is not None  # noqa: S101, PT018
    try:
        yield git.stdout
        git.stdout.read()  # whoever reads a tar may stop at its end mark, before git has written its padding
        if git.wait(LOOK_TIMEOUT):
            raise Errored(
                f"git cannot read commit {commit[:7]}: {last(git.stderr.read())}; if it stays so, remove {mirror}"
            )
    finally:
        end(git)


def changed(mirror: Path, old: str, new: str, *, paths: Sequence[str] = (), ignore: Sequence[str] = ()) -> bool:
    """Say whether a commit differs from an older one in `paths` (none: anywhere) beside those to ignore.

    They are names, folders, or globs in which `*` stops at a slash and `**` does not.
    """
    specs = [f":(top,glob){path}" for path in paths] + [f":(top,exclude,glob){path}" for path in ignore]
    return bool(run(mirror, "diff-tree", "-r", "--name-only", "--no-renames", "-z", oid(old), oid(new), "--", *specs))


def ls_remote(url: str, *refs: str, timeout: float = LOOK_TIMEOUT, login: Login | None = None) -> Mapping[str, str]:
    """Return the branches and tags of a repository, or some of them, with their ids, by asking it. Needs no mirror.

    Those whose names are not UTF-8 are left out: no pipeline can have such a name.
    """
    env = login.environment(url) if login else {}
    command = ("ls-remote", "--quiet", "--refs", *upload_pack(url), "--", checked(url), *refs)
    found = listed(run(None, *command, timeout=timeout, about=url, env=env), b"\t")
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


def _peek(mirror: Path, commit: str, ref: str, path: str) -> tuple[Commit, bytes | None, str | None] | None:
    """Return commit, file and tip by one process of git, or None where the mirror has no such commit."""
    names = (f"{commit}^{{commit}}", f"{commit}^{{commit}}:{path}", f"{ref}^{{commit}}")
    try:
        found = list(objects(mirror, names))
    except Errored:
        return None
    kinds = ("commit", "blob", "commit")
    first, file, tip = (each if each and each[1] == kind else None for each, kind in zip(found, kinds, strict=True))
    return (said(first[0], first[2]), file and file[2], tip and tip[0]) if first else None


def objects(mirror: Path, names: Iterable[str]) -> Iterator[tuple[str, str, bytes] | None]:
    """Give each object's id, kind and content by one process of git, or None where the mirror has no such object."""
    out = run(mirror, "cat-file", "--batch", text="".join(f"{name}\n" for name in names).encode())
    while out:
        head, _, out = out.partition(b"\n")
        ident, *words = head.decode(errors="replace").split(" ")
        if len(words) != 2 or not words[1].isdigit():  # noqa: PLR2004 - "<id> <type> <size>", else "<name> missing"
            yield None
            continue
        content, out = out[: int(words[1])], out[int(words[1]) + 1 :]
        yield ident, words[0], content


def said(ident: str, content: bytes) -> Commit:
    """Read a commit as git keeps it."""
    head, _, body = content.partition(b"\n\n")
    encoding = re.search(rb"^encoding (\S+)$", head, re.MULTILINE)
    codec = encoding[1].decode(errors="replace") if encoding else "utf-8"
    message = _text(body, codec).strip()
    author = re.search(r"^author (.*?) ?<([^>\n]*)>", _text(head, codec), re.MULTILINE)
    when = re.search(rb"^committer .*> (\d+) ", head, re.MULTILINE)
    subject = " ".join(line.strip() for line in re.split(r"\n\s*\n", message, maxsplit=1)[0].split("\n"))
    name, email = (author[1], author[2]) if author else ("", "")
    return Commit(ident, subject, name, email, message, float(when[1]) if when else 0.0)


def _text(content: bytes, codec: str) -> str:
    """Read bytes in the encoding that a commit names, which may be none, or none of text; no surrogate is left."""
    try:
        text = content.decode(codec, "replace")
    except (LookupError, ValueError):
        text = content.decode("utf-8", "replace")
    return text.encode("utf-8", "replace").decode()
