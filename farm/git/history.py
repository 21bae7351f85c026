"""What lies between commits of a mirror. It fetches nothing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from farm.git.program import run
from farm.git.reading import Commit, objects, said
from farm.git.urls import oid


def since(mirror: Path, before: Iterable[str], new: str, *, limit: int) -> Sequence[Commit]:
    """Return the commits from which `new` came and none of those before, the oldest first, the newest `limit` at most.

    A commit that the mirror lost ends no walk.
    """
    known = (f"^{oid(each)}" for each in before)
    walk = ("rev-list", "--ignore-missing", "--topo-order", f"--max-count={limit}", oid(new), *known, "--")
    return commits(mirror, reversed(run(mirror, *walk).decode().split()))


def commits(mirror: Path, ids: Iterable[str]) -> Sequence[Commit]:
    """Return what each of these commits says about itself; those that the mirror does not have are left out."""
    found = objects(mirror, map(oid, ids))
    return [said(each[0], each[2]) for each in found if each and each[1] == "commit"]


def among(mirror: Path, tip: str, ids: Iterable[str]) -> frozenset[str]:
    """Return those of the commits from which the tip came; Errored where the mirror lacks the tip or one of them."""
    here = [oid(ident) for ident in ids]
    if not here:
        return frozenset()
    apart = run(mirror, "rev-list", *here, f"^{oid(tip)}", "--").decode().split()
    return frozenset(here) - frozenset(apart)
