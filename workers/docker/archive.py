"""Picking files out of a tar stream by glob, within a limit of size. It writes nothing to disk."""

import io
import posixpath
import tarfile
from collections.abc import Iterator
from typing import IO, cast

from docker.utils.fnmatch import fnmatchcase

from farm.errors import Failed
from workers.engine import File

_WILD = frozenset("*?[")
SCAN = 1 << 30  # bytes of files walked over to find those that match


def root(pattern: str) -> str:
    """Return the folder (or the file itself) above a glob's first wildcard."""
    parts = pattern.split("/")
    fixed = next((i for i, part in enumerate(parts) if _WILD & set(part)), len(parts))
    return "/".join(parts[:fixed]) or "/"


def pick(chunks: Iterator[bytes], folder: str, pattern: str, limit: int) -> Iterator[File]:
    """Give the regular files under `folder` that match; the stream's names begin with the folder's last part."""
    above = posixpath.dirname(folder)
    reader = _Reader(chunks)
    with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|") as archive:
        for entry in archive:
            if reader.taken > SCAN:
                raise Failed(f"`{pattern}` looks through more than {SCAN >> 30} GiB; name a folder in it")
            path = posixpath.join(above, entry.name)
            if not entry.isreg() or not fnmatchcase(path, pattern):
                continue
            limit -= entry.size
            if limit < 0:
                raise Failed(f"the files of `{pattern}` are bigger than allowed; the last one was {path}")
            content = archive.extractfile(entry)
            yield File(path, content.read() if content else b"")


class _Reader(io.RawIOBase):
    """The chunks as a file that can be read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        pieces, length = [self._rest], len(self._rest)
        while size < 0 or length < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            pieces.append(chunk)
            length += len(chunk)
        whole = b"".join(pieces)
        end = length if size < 0 else size
        self._rest = whole[end:]
        self.taken += min(end, length)
        return whole[:end]
