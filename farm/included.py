"""The files that a pushed definition includes, from the mirrors of their repositories. It decides who may include what.

Another repository is read at where its branch or tag is now; from then on the pipeline's record has what it said.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from farm import git
from farm.definition import Files
from farm.definition.composing import BYTES
from farm.errors import Failed, Refused
from farm.ledger import Ledger
from farm.settings import Settings

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class Repositories:
    """What a repository of the farm may include from others of it, each as it is when it is first asked for."""

    asking: str
    ledger: Ledger
    settings: Settings
    check: Callable[[], None]
    found: dict[tuple[str, str | None], Files] = field(default_factory=dict)

    def files(self, name: str, ref: str | None) -> Files:
        """Return the files of a repository that says so in the farm's settings; Refused says why not."""
        if (name, ref) not in self.found:
            self.found[name, ref] = self._files(name, ref)
        return self.found[name, ref]

    def _files(self, name: str, ref: str | None) -> Files:
        own = self.settings.repository(name)
        if name != self.asking and not any(fnmatchcase(self.asking, pattern) for pattern in own.included_by):
            raise Refused(
                f"{self.asking} may not include files of {name}; whoever runs the farm can allow it by included_by"
            )
        try:
            repository = self.ledger.repository(name)
        except Refused:
            raise Refused(f"the farm knows no repository {name}") from None
        branch = own.default_branch or repository.default_branch
        commit = ref if ref and _COMMIT.fullmatch(ref) else self._tip(repository.url, name, ref or branch)
        mirror = git.mirror_path(self.settings.home, name)
        try:
            commit = git.ensure(mirror, repository.url, commit, check=self.check, login=git.login(own.git))
        except Failed:
            raise Refused(f"{name} has no commit {commit[:7]}") from None
        return MirrorFiles(mirror, commit, self, f"{name}@{ref}:" if ref else f"{name}:")

    def _tip(self, url: str, name: str, ref: str) -> str:
        wanted = f"refs/heads/{ref}", f"refs/tags/{ref}"
        refs = git.ls_remote(url, *wanted, login=git.login(self.settings.repository(name).git))
        for each in wanted:
            if each in refs:
                return refs[each]
        raise Refused(f"{name} has no branch or tag {ref}")


@dataclass(frozen=True, slots=True)
class MirrorFiles:
    """The files of one commit in a mirror."""

    mirror: Path
    commit: str
    repositories: Repositories
    before: str = ""
    """What stands before a path in messages: the repository, where it is another one."""

    def title(self, path: str) -> str:
        """Return the path, behind its repository where that is another one."""
        return f"{self.before}{path}"

    def read(self, path: str) -> bytes | None:
        """Return a file of the commit, None where it has none."""
        return git.show(self.mirror, self.commit, path, limit=BYTES + 1)

    def names(self) -> Iterable[str]:
        """Give the YAML files of the commit."""
        return git.paths(self.mirror, self.commit, ".yml", ".yaml")

    def other(self, repository: str, ref: str | None) -> Files:
        """Return the files of another repository; Refused says why not."""
        return self.repositories.files(repository, ref)
