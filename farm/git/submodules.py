"""The submodules of a commit, each with the URL that its repository is fetched from. It fetches nothing.

What `.gitmodules` says was pushed by anybody: a URL may lead where a repository's may, but not to this machine's disk.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from farm.errors import Failed, Refused
from farm.git.program import run
from farm.git.reading import show
from farm.git.urls import checked, local, oid

_LINK = b"160000 commit "
_LONGEST = 60_000  # bytes of .gitmodules that are read


@dataclass(frozen=True, slots=True)
class Submodule:
    """Where it lies in the tree, at which commit it is, and where that is fetched from."""

    path: str
    commit: str
    url: str


def submodules(mirror: Path, commit: str, url: str) -> Iterator[Submodule]:
    """Give the submodules of a commit of the repository with this URL. Raises Failed for one that cannot be fetched."""
    urls: dict[str, str] | None = None
    for entry in run(mirror, "ls-tree", "-r", "-z", "--full-tree", oid(commit)).split(b"\0"):
        if entry.startswith(_LINK):
            ident, _, path = entry.removeprefix(_LINK).decode(errors="surrogateescape").partition("\t")
            urls = _urls(mirror, commit) if urls is None else urls
            if path not in urls:
                raise Failed(f'the submodule "{path}" has no url in .gitmodules; add it with `git submodule add`')
            yield Submodule(path, ident, resolved(url, urls[path], path))


def resolved(url: str, given: str, path: str = "") -> str:
    """Return the URL of a submodule of the repository with the first URL; a relative one goes on from there."""
    relative = given in (".", "..") or given.startswith(("./", "../"))
    try:
        found = checked(_joined(url, given) if relative else given)
    except Refused as error:
        raise Failed(f'the submodule "{path}": {error}') from error
    if local(found) and not (relative and local(url)):
        raise Failed(
            f'the submodule "{path}" is at a path of one machine ({given}); give it a relative URL, as ../name.git'
        )
    return found


def _joined(url: str, relative: str) -> str:
    if "://" in url:
        parts = urlsplit(url)
        return urlunsplit(parts._replace(path=posixpath.normpath(posixpath.join(parts.path or "/", relative))))
    host, colon, path = ("", "", url) if url.startswith("/") else url.partition(":")
    joined = posixpath.normpath(posixpath.join(path, relative))
    if joined.startswith(".."):
        raise Refused(f"{relative} leads out of {url}; write fewer ../")
    return f"{host}{colon}{joined}"


def _urls(mirror: Path, commit: str) -> dict[str, str]:
    """Return the URLs that `.gitmodules` gives, by path."""
    text = show(mirror, commit, ".gitmodules", limit=_LONGEST) or b""
    if not text.strip():
        return {}
    listed = run(None, "config", "--file", "-", "--list", "-z", text=text, about=".gitmodules")
    found: dict[str, dict[str, str]] = {}
    for entry in listed.decode(errors="surrogateescape").split("\0"):
        key, _, value = entry.partition("\n")
        name, _, what = key.removeprefix("submodule.").rpartition(".")
        found.setdefault(name, {})[what] = value
    return {each["path"]: each["url"] for each in found.values() if "path" in each and "url" in each}
