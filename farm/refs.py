"""Refs by the names that people use for them: branches, tags, and the heads of pull requests on a forge."""

import re
from collections.abc import Sequence

USUAL = ("refs/heads/main", "refs/heads/master")
"""Default branches as most have them: the HEAD of a bare repository may name one that never comes to be."""
_PULL = re.compile(r"refs/(pull|merge-requests)/([1-9][0-9]*)/head")
_WORDS = {"pull": "pull request", "merge-requests": "merge request"}
_NAMED = re.compile(r"(?:pull request|merge request) ([1-9][0-9]*)")


def pull_request(ref: str) -> int | None:
    """Return the number of the pull request (GitLab: merge request) whose head the ref is, None for another ref."""
    found = _PULL.fullmatch(ref)
    return int(found[2]) if found else None


def short(ref: str) -> str:
    """Return the name for people: that of the branch or tag, `pull request 7`, else the whole ref."""
    if found := _PULL.fullmatch(ref):
        return f"{_WORDS[found[1]]} {found[2]}"
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def meant(name: str) -> Sequence[str]:
    """Return the refs that somebody may mean by a name that `short` gave, or by a whole ref."""
    if name.startswith("refs/"):
        return [name]
    if found := _NAMED.fullmatch(name):
        return [f"refs/{kind}/{found[1]}/head" for kind in _WORDS]
    return [f"refs/heads/{name}", f"refs/tags/{name}"]
