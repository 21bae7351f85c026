"""A GitLab job's `only` and `except` as cases. What all of them amount to others say."""

import re
from collections.abc import Iterator
from typing import Any

from farm.gitlab.cases import ANY, DEFAULT, Case, cases
from farm.gitlab.conditions import patterns
from farm.gitlab.merged import flat, lines
from farm.gitlab.notes import Notes
from farm.gitlab.rules import Rule, note_apart, paths
from farm.gitlab.source import Line, Map

_MERGES = ("merge_requests", "external_pull_requests")
_OTHERWISE = ("schedules", "web", "api", "triggers", "pipelines", "external", "chat")
_PROJECT = re.compile(r"(/.*/[a-z]*|[^/@][^@]*)@(.+)")


def only(value: Any, line: Line, about: str, notes: Notes) -> Iterator[tuple[Case, tuple[str, ...]]]:
    """Give the cases of `only`, each with the paths that have to have changed."""
    said = value if isinstance(value, Map) else Map(line)
    for key in sorted(set(said) - {"refs", "changes", "variables"}):
        notes.add(said.lines[key], about, f"{key} of only has no counterpart; left out")
    changes = tuple(paths(said.get("changes")))
    refs = flat(said.get("refs") if isinstance(value, Map) else value)
    found = [_ref(str(ref), lines(ref, line), about, notes) for ref in refs] or [Case(merges=False)]
    wanted = [(str(each), lines(each, line)) for each in flat(said.get("variables"))]
    others = [(one, place) for condition, place in wanted for one in cases(condition)] or [(Case(), line)]
    for other, place in others:
        note_apart(other, place, about, notes)
    for case in found:
        for other, _ in others:
            both = Case(
                case.branches, case.tags, case.merges, case.scheduled, other.variables, case.strange + other.strange
            )
            both.only(branches=other.branches, tags=other.tags, merges=other.merges)
            yield both, changes


def _ref(ref: str, line: Line, about: str, notes: Notes) -> Case:
    """Return what a name of `only` lets in; the project behind its `@` is the one that is converted."""
    found = _PROJECT.fullmatch(ref)
    name = found[1] if found else ref
    if found:
        notes.add(line, about, f"`@{found[2]}` is left out: it runs here whatever the repository is called")
    nothing = {"branches": (), "tags": (), "merges": False}
    case = Case(**nothing)  # type: ignore[arg-type]
    if name in ("branches", "pushes"):
        case.branches = ANY
        case.tags = ANY if name == "pushes" else ()
    elif name == "tags":
        case.tags = ANY
    elif name in _MERGES:
        case.merges = True
    elif name in _OTHERWISE:
        case.scheduled = True
    elif name.startswith("/"):
        wanted = patterns(name)
        case.branches, case.tags = wanted or ANY, wanted or ANY
        case.strange += [] if wanted else [name]
    elif name.startswith("$"):
        wanted = [DEFAULT] if "DEFAULT_BRANCH" in name else None
        case.branches = wanted or ANY
        case.strange += [] if wanted else [name]
    else:
        case.branches = [name]
    return case


def excepted(said: Any, rules: list[Rule], line: Line, about: str, notes: Notes) -> list[Rule]:
    """Take out of the cases what `except` keeps out: all branches, tags or pull requests."""
    refs = [str(ref) for ref in flat(said.get("refs") if isinstance(said, Map) else said)]
    rest = [ref for ref in refs if ref not in ("branches", "tags", *_MERGES)]
    rest += (
        [f"{key} {', '.join(map(str, flat(said[key])))}" for key in said if key != "refs"]
        if isinstance(said, Map)
        else []
    )
    if rest:
        notes.add(line, about, f"except: {', '.join(rest)} has no counterpart for one job; it runs there too")
    for rule in rules:
        rule.case.branches = () if "branches" in refs else rule.case.branches
        rule.case.tags = () if "tags" in refs else rule.case.tags
        rule.case.merges = rule.case.merges and not {*refs} & {"branches", *_MERGES}
    return rules
