"""May this image get that tag? The order rule, pure; the record does the fenced acts, the caller puts the manifest.

Every ref has one ordered list of its pushes. A tag moves only forward in that order and belongs to one ref until
that is deleted; the push of a git tag never moves `latest`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from farm.errors import Refused


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


@dataclass(frozen=True, slots=True)
class Released:
    """One entry of a tag's history: from this time on (Unix seconds) it held this image."""

    number: int
    digest: str
    who: str
    kind: Literal["release", "rollback"]
    time: float


def decide(repository: str, ref: str, position: float, tag: str, standing: Standing) -> Decision:
    """Say whether a push at this position of its ref may take the tag; raise Refused where it never may."""
    if tag == "latest" and ref.startswith("refs/tags/"):
        raise Refused("a git tag never moves `latest`; release it under a tag of its own, such as {tag}")
    if standing.owner and standing.owner != f"{repository} {ref}":
        owner, _, owning_ref = standing.owner.partition(" ")
        held = f"the tag `{tag}` belongs to {owning_ref} of {owner} as long as that is there"
        raise Refused(f"{held}; choose another in release.tags, or delete that branch")
    if not standing.mark or position > standing.position:
        return Decision()
    rolled_back = standing.number != standing.mark
    if position == standing.position and not rolled_back:
        return Decision()
    if position == standing.position:
        return Decision(standing.number, f"`{tag}` was rolled back to #{standing.number}; push again to move it")
    return Decision(standing.mark, f"superseded by #{standing.mark}")


def before(history: Sequence[Released], number: int) -> Released | None:
    """Return what the tag held before this pipeline released it, None if nothing; the history begins with the newest.

    Of a pipeline that the tag was rolled back to it is what came before its own release, so that several rollbacks go
    further and further back.
    """
    own = next((place for place, each in enumerate(history) if each.number == number and each.kind == "release"), -1)
    return next((each for each in history[own + 1 :] if each.number != number), None)
