"""`when` of a job here: which pushes call for it. Where it cannot say all that GitLab says, a note tells so."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from farm.gitlab.cases import DEFAULT
from farm.gitlab.notes import Notes
from farm.gitlab.when import When

if TYPE_CHECKING:
    from farm.gitlab.stage import Tested


def limits(
    said: When, changes: Sequence[str], about: str, default: str, notes: Notes, *, known: bool
) -> dict[str, Any]:
    """Return the `when` of a job that tests; empty where every push calls for it."""
    made: dict[str, Any] = {}
    narrow = not said.every or not said.tag_refs
    if said.strange or (said.merges and narrow):
        notes.add(said.line, about, f"runs for {said.words} only; here it runs with every push")
    elif narrow:
        if said.refs:
            made["branches"] = _one("*" if said.every else default if each == DEFAULT else each for each in said.refs)
        if said.tag_refs:
            made["tags"] = _one(said.tag_refs)
        if said.default and not said.every and not known:
            notes.add(said.line, about, f"the default branch is taken for {default}; --default-branch says another")
    if changes:
        made["paths"] = _one(changes)
    if said.variables:
        made["variables"] = {name: _one(values) for name, values in said.variables.items()}
    return made


def let_in_tags(tested: "Sequence[Tested]", released: Sequence[str], notes: Notes) -> None:
    """Let jobs for branches run for git tags too if these are released: what is not tested is not released."""
    if not any("{tag}" in template for template in released):
        return
    if any("branches" not in one.limits or "tags" in one.limits for one in tested):
        return
    for one in tested:
        one.limits["tags"] = "*"
        notes.add(
            one.when.line, one.name, "ran for no git tag there; here it does, because nothing untested is released"
        )
        if one.limits.get("branches") == "*":
            del one.limits["branches"], one.limits["tags"]


def _one(items: Any) -> Any:
    found = list(dict.fromkeys(items))
    return "*" if "*" in found else found[0] if len(found) == 1 else found
