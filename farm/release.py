"""May this image get that tag? The order rule, pure; the record does the fenced acts, the caller puts the manifest.

Every ref has one ordered list of its pushes. A tag moves only forward in that order and belongs to one ref;
the push of a git tag never moves `latest`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from farm.errors import Refused

DEFAULT_PROTECTED = ("v*",)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a tag stands: its owner ("<repository> <ref>"), the newest push that ever had it, and where it points now."""

    owner: str = ""
    mark: int = 0  # the pipeline at the high-water mark, 0: never released
    position: float = 0.0  # of the mark in its ref
    number: int = 0  # whose image the tag shall hold now; less than the mark only after a rollback
    digest: str = ""
    version: str = ""  # changes with every intent


@dataclass(frozen=True, slots=True)
class Decision:
    """The tag may move (no winner), or a newer push won it."""

    winner: int | None = None
    reason: str | None = None


def decide(repository: str, ref: str, position: float, tag: str, standing: Standing) -> Decision:
    """Say whether a push at this position of its ref may take the tag; raise Refused where it never may."""
    if tag == "latest" and ref.startswith("refs/tags/"):
        raise Refused("a git tag never moves `latest`; release it under a tag of its own, such as {tag}")
    if standing.owner and standing.owner != f"{repository} {ref}":
        owner, _, owning_ref = standing.owner.partition(" ")
        raise Refused(f"the tag `{tag}` belongs to {owning_ref} of {owner}; choose another in release.tags")
    if not standing.mark or position > standing.position:
        return Decision()
    rolled_back = standing.number != standing.mark
    if position == standing.position and not rolled_back:
        return Decision()
    if position == standing.position:
        return Decision(
            standing.number, f"superseded: `{tag}` was rolled back to #{standing.number}; push again to move it"
        )
    return Decision(standing.mark, f"superseded by #{standing.mark}")


def protected(ref: str, default_branch: str, patterns: Sequence[str] = ()) -> bool:
    """Say whether a ref may release and see protected secrets; without patterns: default branch, `v*` tags."""
    branch, tag = ref.removeprefix("refs/heads/"), ref.removeprefix("refs/tags/")
    if patterns:
        return any(
            fnmatchcase(branch, p) or fnmatchcase(ref, p) or (tag != ref and fnmatchcase(tag, p)) for p in patterns
        )
    if ref.startswith("refs/tags/"):
        return any(fnmatchcase(tag, pattern) for pattern in DEFAULT_PROTECTED)
    return branch == default_branch
