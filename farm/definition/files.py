"""Where the files come from that a definition includes: the seam to whoever can read them."""

from collections.abc import Iterable
from typing import Protocol

from farm.errors import Refused


class Files(Protocol):
    """The files of one repository at one commit, or of a folder. Paths are relative to its root and checked before."""

    def title(self, path: str) -> str:
        """Return what a file is called in messages."""

    def read(self, path: str) -> bytes | None:
        """Return a file, None where there is none. It may be cut off behind the size that a definition may have."""

    def names(self) -> Iterable[str]:
        """Give the paths of the files that could have been meant."""

    def other(self, repository: str, ref: str | None) -> "Files":
        """Return the files of another repository, at its default branch without a ref; Refused says why not."""


class Alone:
    """No files: of a definition that comes by itself, such as from standard input."""

    def title(self, path: str) -> str:
        """Return the path."""
        return path

    def read(self, path: str) -> bytes | None:
        """Refuse: nobody knows where that file would be."""
        raise Refused(f"{path} cannot be included by a definition that comes without its repository")

    def names(self) -> Iterable[str]:
        """Give none."""
        return ()

    def other(self, repository: str, ref: str | None) -> Files:  # noqa: ARG002
        """Refuse: no other repository is known."""
        raise Refused(f"{repository} cannot be included by a definition that comes without its repository")


ALONE: Files = Alone()
