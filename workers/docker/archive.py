"""Picking files out of a tar stream by glob, within a limit of size. It writes nothing to disk."""

import posixpath
import tarfile
from collections.abc import Iterator, Sequence
from typing import IO, cast

from docker.utils.fnmatch import fnmatchcase

from farm.errors import Failed
from farm.pieces import Pieces
from workers.engine import Entry, File

_WILD = frozenset("*?[")
Patterns = Sequence[tuple[str, str]]
"""Globs, each as it was asked for and as a whole path."""
SCAN = 1 << 30  # bytes of files walked over to find those that match


def root(pattern: str) -> str:
    """Return the folder (or the file itself) above a glob's first wildcard."""
    parts = pattern.split("/")
    fixed = next((i for i, part in enumerate(parts) if _WILD & set(part)), len(parts))
    return "/".join(parts[:fixed]) or "/"


def pick(chunks: Iterator[bytes], folder: str, patterns: Patterns, limit: int) -> Iterator[File]:
    """Give the regular files under `folder` that match; the stream's names begin with the folder's last part."""
    for entry in walk(chunks, folder, patterns, ""):
        if entry.content is None or not any(fnmatchcase(entry.path, whole) for _, whole in patterns):
            continue
        limit -= entry.size
        if limit < 0:
            raise Failed(f"the files of {_named(patterns)} are bigger than allowed; the last one was {entry.path}")
        yield File(entry.path, entry.content.read())


def walk(chunks: Iterator[bytes], folder: str, patterns: Patterns, home: str) -> Iterator[Entry]:
    """Give what under `folder` matches, or lies in what matches, folders aside; each can be read until the next one."""
    above = posixpath.dirname(folder)
    reader = Pieces(chunks)
    with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|") as archive:
        for entry in archive:
            if reader.taken > SCAN:
                raise Failed(
                    f"{_named(patterns)} looks through more than {SCAN >> 30} GiB of {folder}; name a folder in it"
                )
            path = posixpath.join(above, entry.name)
            matched = tuple(
                asked for asked, whole in patterns if fnmatchcase(path, whole) or fnmatchcase(path, f"{whole}/**")
            )
            if matched and not entry.isdir():
                content = archive.extractfile(entry) if entry.isreg() else None
                yield Entry(path, home, matched, entry.size, entry.mtime, content)


def _named(patterns: Patterns) -> str:
    return ", ".join(f"`{whole}`" for _, whole in patterns)
