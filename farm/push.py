"""A push: one ref update, as git reports it. It says nothing about what the farm makes of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from farm.errors import Refused
from farm.refs import pull_request

ZERO = "0" * 40
FORK = "farm.fork="  # an option of the farm's own; what follows is the project that the commits come from
Source = Literal["hook", "webhook", "reflog", "ls-remote", "manual"]

_HEX = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)")


@dataclass(frozen=True, slots=True)
class Push:
    """One ref update with a UUID of its own; a `git push` may hold several."""

    id: str
    repository: str
    ref: str
    old: str
    new: str
    who: str = ""
    options: Sequence[str] = ()
    source: Source = "hook"
    line: str = ""
    """Its line in git's reflog, "<Unix seconds>-<how many equal lines of that second before it>", or "" if unknown."""

    def __post_init__(self) -> None:
        """Refuse what git itself would not write, so that no value can be taken for an option or a path."""
        check_ref(self.ref)
        for oid in (self.old, self.new):
            if not _HEX.fullmatch(oid):
                raise Refused(f"{oid!r} is no full object id of git; send 40 (or 64) lower-case hex digits")

    @property
    def deleted(self) -> bool:
        """Whether the ref is gone."""
        return set(self.new) == {"0"}

    @property
    def by_hand(self) -> bool:
        """Whether it moved no ref, but was asked for by a person or a schedule."""
        return self.source == "manual"

    @property
    def created(self) -> bool:
        """Whether the ref is new."""
        return set(self.old) == {"0"}

    @property
    def branch(self) -> str | None:
        """The branch's name, or None for a tag or another ref."""
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else None

    @property
    def tag(self) -> str | None:
        """The git tag's name, or None for anything else."""
        return self.ref.removeprefix("refs/tags/") if self.ref.startswith("refs/tags/") else None

    @property
    def pull_request(self) -> int | None:
        """The number of the pull request that a forge's webhook told of; others who push such a ref make none."""
        return pull_request(self.ref) if self.source == "webhook" else None

    @property
    def fork(self) -> str | None:
        """The project that a pull request comes from, where it is another than the asked one."""
        told = next((option for option in self.options if option.startswith(FORK)), None)
        return told and (told.removeprefix(FORK) or "a fork that is gone")


def check_ref(ref: str) -> None:
    """Refuse a ref that is not a full, well-formed one (`git check-ref-format`) or that begins with a dash."""
    if not ref.startswith("refs/") or _FORBIDDEN.search(ref) or ref.endswith(("/", ".")):
        raise Refused(f"{ref!r} is no full ref name; send one such as refs/heads/main")
