"""The files of a commit as a checkout would have them: with its submodules and what Git LFS holds, where asked for.

Nothing is checked out: each repository gives its share as a stream of tar.
"""

import io
import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from farm import git
from farm.errors import Failed
from farm.pieces import Pieces
from workers.workspace import Workspace

_CHUNK = 1 << 20
_MOST = 100  # submodules of a tree, theirs included


@dataclass(frozen=True, slots=True)
class Part:
    """One repository's share of a tree: what lies below a path ("" for all), from a commit of its mirror."""

    path: str
    mirror: Path
    commit: str

    def has(self, path: str) -> bool:
        """Return whether a path lies in this part, or in one below it."""
        return not self.path or path == self.path or path.startswith(f"{self.path}/")

    def inner(self, path: str) -> str:
        """Return a path of the tree as this part's repository has it."""
        return posixpath.relpath(path, self.path or ".")


@dataclass(frozen=True, slots=True)
class Tree:
    """The parts in the order of their paths, the repository itself first; all of them are on this machine."""

    parts: tuple[Part, ...]
    lfs: bool = False

    @classmethod
    def of(cls, mirror: Path, commit: str) -> "Tree":
        """Return the tree of a commit alone."""
        return cls((Part("", mirror, commit),))

    @property
    def commit(self) -> str:
        """The commit of the repository itself."""
        return self.parts[0].commit

    def show(self, path: str, *, limit: int = 1 << 20) -> bytes | None:
        """Return the start of a file, or None when there is no such file."""
        part = self._holder(path)
        return git.show(part.mirror, part.commit, part.inner(path), limit=limit)

    @contextmanager
    def stream(self, folder: str = ".", *, below: str = "") -> Iterator[IO[bytes]]:
        """Give it, or one folder of it with its full path, as a stream of tar; for `below` see git.archive."""
        holder = self._holder(folder)
        inside = [part for part in self.parts if folder == "." or Part(folder, part.mirror, "").has(part.path)]
        if holder.path == "" and not [part for part in inside if part.path]:
            with git.archive(holder.mirror, holder.commit, folder, below=below, lfs=self.lfs) as tree:
                yield tree
            return
        yield io.BufferedReader(Pieces(self._joined(holder, inside, folder, below)), _CHUNK)

    def _holder(self, path: str) -> Part:
        """Return the part in which a path lies."""
        return next(part for part in reversed(self.parts) if part.has(path))

    def _joined(self, holder: Part, inside: list[Part], folder: str, below: str) -> Iterator[bytes]:
        for part in (holder, *(part for part in inside if part != holder)):
            where = part.inner(folder) if part == holder else "."
            archive = git.archive(part.mirror, part.commit, where, below=below, path=part.path, lfs=self.lfs)
            with archive as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    yield from entry(tar, member)
        yield END


END = b"\0" * (2 * tarfile.BLOCKSIZE)


def entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """Give one entry of a tar as another one has it, with its content."""
    member.pax_headers = {}
    yield member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    content = tar.extractfile(member) if member.isreg() else None
    while content is not None and (chunk := content.read(_CHUNK)):
        yield chunk
    if member.isreg():
        yield b"\0" * (-member.size % tarfile.BLOCKSIZE)


def gather(work: Workspace) -> Tree:
    """Bring the commit of the claim and all that belongs to its tree to this machine.

    Raises Failed for what is missing, Errored when a repository cannot be read.
    """
    claim, wanted = work.claim, work.definition.source
    commit = git.ensure(work.mirror, claim.url, claim.commit, check=work.check, login=work.login)
    parts = [Part("", work.mirror, commit)]
    if "submodules" in wanted:
        parts += _submodules(work, parts[0], claim.url, parts)
    if "lfs" in wanted:
        git.fetch_lfs(work.mirror, claim.url, commit, check=work.check, login=work.login)
    return Tree(tuple(sorted(parts, key=lambda part: part.path)), lfs="lfs" in wanted)


def _submodules(work: Workspace, within: Part, url: str, known: list[Part]) -> list[Part]:
    found: list[Part] = []
    for each in git.submodules(within.mirror, within.commit, url):
        path = posixpath.join(within.path, each.path)
        if len(known) + len(found) > _MOST:
            raise Failed(f"the tree has more than {_MOST} submodules; take some away")
        mirror = git.mirror_path(work.home, f"+submodules/{sha256(each.url.encode()).hexdigest()[:24]}")
        # What opens the repository is shown to its own server alone, whatever a pushed .gitmodules names.
        login = work.login if git.server(each.url) == git.server(work.claim.url) else None
        try:
            commit = git.ensure(mirror, each.url, each.commit, check=work.check, login=login)
        except Failed as error:
            raise Failed(
                f'the submodule "{path}" is at {each.commit[:7]}, which {git.shown(each.url)} lacks; push it there'
            ) from error
        if "lfs" in work.definition.source:
            git.fetch_lfs(mirror, each.url, commit, check=work.check, login=login)
        part = Part(path, mirror, commit)
        found += [part, *_submodules(work, part, each.url, [*known, *found])]
    return found
