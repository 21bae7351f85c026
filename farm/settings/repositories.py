"""What a farm says about one repository. It registers none."""

from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator

from farm.definition.templates import RefName
from farm.definition.values import wrong
from farm.settings.forges import ProjectSettings
from farm.settings.git import GitSettings
from farm.settings.values import Values


def _full(pattern: str) -> str:
    if not pattern.startswith(("refs/", "*", "?", "[")):
        raise wrong(
            f"{pattern!r} is no full ref, so it protects none", f"write refs/heads/{pattern} or refs/tags/{pattern}"
        )
    return pattern


FullRef = Annotated[str, AfterValidator(_full)]


class RepositorySettings(Values):
    """What the server says about one repository; a definition can only narrow it."""

    default_branch: RefName | None = None
    """The branch that releases; without it the one that the repository was registered with."""
    protected: tuple[FullRef, ...] | None = None
    """Patterns of full refs that may release; without it the default branch and tags v*."""
    forge: ProjectSettings | None = None
    """Where it is on a forge."""
    included_by: tuple[str, ...] = ()
    """Names and patterns of repositories whose definitions may include files of this one; none unless said."""
    git: GitSettings | None = None
    """What opens it for git on this machine."""

    def protects(self, ref: str, default_branch: str) -> bool:
        """Return whether a push of the full ref may release: by default the default branch and tags `v*`."""
        patterns = self.protected
        if patterns is None:
            patterns = (f"refs/heads/{self.default_branch or default_branch}", "refs/tags/v*")
        return any(fnmatchcase(ref, pattern) for pattern in patterns)
