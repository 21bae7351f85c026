"""Where artifacts are kept: one plain tar for each attempt that sent some, on a disk or whatever fsspec has a URL for.

It does not know which of them count; the record does, by the fence of the attempt that it took.
"""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast
from urllib.parse import quote

import fsspec
import structlog

from farm.errors import Errored, FarmError, Refused
from farm.record import Record, Sent

CHUNK = 1 << 18
EVERY = 600.0  # seconds between two looks for what has expired

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Store:
    """The tars below one URL."""

    url: str

    def create(self, sent: Sent) -> IO[bytes]:
        """Begin to write one; raises Errored when it cannot be kept there."""
        with _told(self.url):
            system, path = self._place(sent)
            system.makedirs(system._parent(path), exist_ok=True)  # noqa: SLF001 - fsspec has no other word for it
            return cast("IO[bytes]", system.open(path, "wb"))

    def trouble(self) -> str | None:
        """Return why nothing can be kept there, as far as asking for what is there tells; it writes nothing."""
        try:
            with _told(self.url):
                system, root = fsspec.core.url_to_fs(self.url)
                with suppress(FileNotFoundError):
                    system.info(f"{root.rstrip('/')}/0")
        except Errored as error:
            return str(error)
        return None

    def remove(self, sent: Sent) -> None:
        """Delete one; one that is not there is fine."""
        with _told(self.url):
            system, path = self._place(sent)
            with suppress(FileNotFoundError):
                system.rm_file(path)
            with suppress(OSError):  # other attempts and other steps have theirs there
                for _ in range(2):
                    path = system._parent(path)  # noqa: SLF001
                    system.rmdir(path)

    @contextmanager
    def open(self, sent: Sent) -> Iterator[IO[bytes]]:
        """Give one to be read; raises Refused when it is not there any more."""
        with _told(self.url):
            system, path = self._place(sent)
            try:
                file = system.open(path, "rb")
            except FileNotFoundError:
                raise Refused(f"the artifacts of #{sent.number} {sent.step} are gone; `farm retry` makes new") from None
        with file:
            yield cast("IO[bytes]", file)

    def files(self, sent: Sent) -> list[tuple[str, int]]:
        """Return the files in one, by path and size."""
        with self.open(sent) as file, tarfile.open(fileobj=file) as tar:
            return [(entry.name, entry.size) for entry in tar if entry.isreg()]

    def pieces(self, sent: Sent, path: str | None = None) -> Iterator[bytes]:
        """Give the whole tar, or one file of it; raises Refused at once when there is none."""
        pieces = self._pieces(sent, path)
        first = next(pieces, b"")
        return _chained(first, pieces)

    def _pieces(self, sent: Sent, path: str | None) -> Iterator[bytes]:
        with self.open(sent) as file:
            if path is None:
                yield from iter(partial(file.read, CHUNK), b"")
                return
            with tarfile.open(fileobj=file) as tar:
                try:
                    content = tar.extractfile(tar.getmember(path))
                except KeyError:
                    content = None
                if content is None:
                    raise Refused(f"#{sent.number} {sent.step} kept no file {path!r}; farm artifacts lists them")
                yield from iter(partial(content.read, CHUNK), b"")

    def _place(self, sent: Sent) -> tuple[Any, str]:
        system, root = fsspec.core.url_to_fs(self.url)
        return system, f"{root.rstrip('/')}/{sent.number}/{quote(sent.step, safe='')}/{sent.fence}.tar"


@dataclass(frozen=True, slots=True)
class Expiry:
    """Removes what has been kept long enough. What cannot be removed now holds up nothing and is tried again."""

    record: Record
    store: Store

    def loop(self) -> float:
        """Do so; return after how many seconds to look again."""
        left: list[str] = []
        while found := self.record.expired(beyond=len(left)):
            for sent in found:
                try:
                    self.store.remove(sent)
                except Errored as error:
                    left.append(str(error))
                else:
                    self.record.forget_sent(sent)
        if left:
            log.warning("artifacts.left", count=len(left), error=left[0])
        return EVERY


def unpack(stream: IO[bytes], folder: Path) -> int:
    """Write the regular files of a tar below a folder and return how many; Refused for a path that leads out of it."""
    count, top = 0, folder.resolve()
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for entry in tar:
            path = PurePosixPath(entry.name)
            target = top / path
            if path.is_absolute() or ".." in path.parts or not target.parent.resolve().is_relative_to(top):
                raise Refused(f"{entry.name!r} leads out of {folder}; nothing more was written")
            content = tar.extractfile(entry) if entry.isreg() else None
            if content is None:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)  # not through a link that lies there
            with target.open("xb") as file:
                for piece in iter(partial(content.read, CHUNK), b""):
                    file.write(piece)
            count += 1
    return count


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except FarmError:
        raise
    except Exception as error:  # each library behind fsspec has its own, such as one for a lack of credentials
        raise Errored(f"artifacts cannot be kept at {url}: {error}; see `artifacts` in farm.yml") from error
