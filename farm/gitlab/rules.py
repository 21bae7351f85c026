"""A GitLab job's `rules` as cases with what each adds. What all of them amount to others say."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from farm.gitlab.cases import ANY, Case, cases
from farm.gitlab.merged import flat, lines
from farm.gitlab.notes import Notes
from farm.gitlab.source import Line, Map

_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """A case with what its rule adds."""

    case: Case
    changes: tuple[str, ...] = ()
    manual: bool = False
    env: tuple[tuple[str, str], ...] = ()
    allowed: bool = False


def rules(rules: Any, about: str, notes: Notes) -> Iterator[Rule]:
    """Give the cases of each rule; what an earlier one keeps out is taken away where that can be said."""
    out = Case()
    for rule in flat(rules):
        if not isinstance(rule, Map):
            notes.add(lines(rule, Line(0)), about, f"the rule `{rule}` is no mapping; left out")
            continue
        word, condition = rule.get("when"), " ".join(str(rule.get("if") or "").split())
        for key in sorted(set(rule) - {"if", "when", "changes", "variables", "allow_failure"}):
            notes.add(rule.lines[key], about, f"{key} of a rule has no counterpart; left out")
        changes = _changes(rule.get("changes"), about, notes)
        if word == "never":
            if not condition and not changes:
                return
            if changes or not _keep_out(cases(condition), out):
                words = condition or "changes"
                notes.add(rule.line, about, f"the rule that keeps it from running on `{words}` is left out")
            continue
        if word in ("always", "delayed", "on_failure"):
            notes.add(rule.lines["when"], about, f"when: {word} of a rule has no counterpart; left out")
        added = _added(rule.get("variables"))
        for case in cases(condition) if condition else [Case()]:
            case.branches = () if not out.branches else case.branches
            case.tags = () if not out.tags else case.tags
            case.merges = case.merges and out.merges
            note_apart(case, rule.lines.get("if", rule.line), about, notes)
            yield Rule(case, changes, word == "manual", added, rule.get("allow_failure") == "true")
        if not condition and not changes:
            return


def note_apart(case: Case, line: Line, about: str, notes: Notes) -> None:
    """Note what the case keeps out there, and nothing keeps out here."""
    for words in case.apart:
        notes.add(line, about, f"`{words}` is left out: it runs here however its pipeline began")


def _added(said: Any) -> tuple[tuple[str, str], ...]:
    return tuple((key, str(value or "")) for key, value in said.items()) if isinstance(said, Map) else ()


def _changes(said: Any, about: str, notes: Notes) -> tuple[str, ...]:
    if not isinstance(said, Map):
        return tuple(paths(said))
    for key in sorted(set(said) - {"paths"}):
        notes.add(said.lines[key], about, f"{key} of changes has no counterpart; left out")
    return tuple(paths(said.get("paths")))


def _keep_out(found: Sequence[Case], out: Case) -> bool:
    """Take away all branches, all tags or all pull requests, and say whether that is what was kept out."""
    for case in found:
        some = any(tuple(each) not in ((), ANY) for each in (case.branches, case.tags))
        if some or case.variables or case.strange or not case.pushed:
            return False
    for case in found:
        out.branches = () if case.branches else out.branches
        out.tags = () if case.tags else out.tags
        out.merges = out.merges and not case.merges
    return True


def paths(said: Any) -> list[str]:
    """Return files as the farm names them: a folder for all that is in it, and one name for each part of braces."""
    found = list[str]()
    for item in flat(said):
        wanted = [str(item)]
        while any(_BRACES.search(each) for each in wanted) and len(wanted) < 50:  # noqa: PLR2004 - the farm's own bound
            wanted = [
                each[: braces.start()] + part + each[braces.end() :] if braces else each
                for each in wanted
                for braces in [_BRACES.search(each)]
                for part in (braces[1].split(",") if braces else [""])
            ]
        found += [re.sub(r"^\./|(?<=.)/\*\*(?:/\*)?$|/$", "", each) or "**" for each in wanted]
    return list(dict.fromkeys(found))
