"""Files that a definition includes, on this machine: of the clone in front of the person, and of folders beside it."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from farm import git
from farm.cli.clone import Clone
from farm.definition import Files
from farm.definition.composing import BYTES
from farm.errors import Refused, why


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a folder as they are now. What it has read it keeps, so that a mistake can be shown in its line."""

    top: Path
    others: Mapping[str, Path]
    before: str = ""
    """What stands before a path in messages."""
    texts: dict[str, bytes] = field(default_factory=dict)

    def title(self, path: str) -> str:
        """Return the path as it is found from here."""
        return f"{self.before}{path}"

    def read(self, path: str) -> bytes | None:
        """Return a file, None where there is none; links lead nowhere, as in a commit."""
        file = self.top / path
        try:
            if file.resolve() != self.top.resolve() / path or not file.is_file():
                return None
            with file.open("rb") as stream:
                text = stream.read(BYTES + 1)
        except OSError as error:
            raise Refused(f"{path} cannot be read: {why(error)}; mend its path or rights") from None
        self.texts[self.title(path)] = text
        return text

    def names(self) -> Iterable[str]:
        """Give the YAML files of the folder."""
        for folder, folders, files in os.walk(self.top):
            folders[:] = [name for name in folders if name != ".git"]
            yield from (
                os.path.relpath(Path(folder) / name, self.top) for name in files if name.endswith((".yml", ".yaml"))
            )

    def other(self, repository: str, ref: str | None) -> Files:  # noqa: ARG002
        """Return the files of the folder that was given for a repository, whatever commit they are of."""
        return beside(repository, self.others, self.texts)


@dataclass(frozen=True, slots=True)
class Committed:
    """The files of a clone's HEAD."""

    clone: Clone
    others: Mapping[str, Path]

    def title(self, path: str) -> str:
        """Return the path."""
        return path

    def read(self, path: str) -> bytes | None:
        """Return a file of HEAD, None where it has none."""
        return self.clone.text(path, dirty=False)

    def names(self) -> Iterable[str]:
        """Give the YAML files of HEAD."""
        return git.paths(self.clone.directory, self.clone.commit.id, ".yml", ".yaml") if self.clone.commit else ()

    def other(self, repository: str, ref: str | None) -> Files:  # noqa: ARG002
        """Return the files of the folder that was given for a repository, whatever commit they are of."""
        return beside(repository, self.others, {})


def beside(repository: str, others: Mapping[str, Path], texts: dict[str, bytes]) -> Folder:
    """Return the files of another repository by the folder that was given for it."""
    if repository not in others:
        raise Refused(f"where {repository} is has to be said here: --with {repository}=FOLDER, a clone of it")
    return Folder(others[repository], others, f"{repository}:", texts)


def folders(given: Sequence[str]) -> Mapping[str, Path]:
    """Return the folders by the names of repositories, from NAME=FOLDER."""
    found = {}
    for each in given:
        name, _, folder = each.partition("=")
        if not name or not Path(folder or "\0/").is_dir():
            raise Refused(f"--with {each} names no folder; write --with NAME=FOLDER, a clone of that repository")
        found[name] = Path(folder)
    return found
