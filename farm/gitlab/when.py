"""When a GitLab job runs: `rules`, `only` and `except` in their common forms. What they mean here others decide."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from farm.gitlab.cases import ANY, DEFAULT, Case, cases
from farm.gitlab.conditions import patterns
from farm.gitlab.merged import flat, lines
from farm.gitlab.notes import Notes
from farm.gitlab.source import Line, Map

_MERGES = ("merge_requests", "external_pull_requests")
_OTHERWISE = ("schedules", "web", "api", "triggers", "pipelines", "external", "chat")
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")


@dataclass(slots=True)
class When:
    """What lets a job run: patterns of refs (DEFAULT is the default branch), pull requests, and what goes with it.

    `strange` is what was not understood: there the job runs for less.
    """

    refs: list[str] = field(default_factory=list)
    tag_refs: list[str] = field(default_factory=list)
    merges: bool = False
    scheduled: bool = False
    manual: bool = False
    failed: bool = False
    """Whether it runs only after a failure."""
    changes: list[str] = field(default_factory=list)
    variables: dict[str, list[str]] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    """Variables that its rules set."""
    allow_failure: bool = False
    strange: list[str] = field(default_factory=list)
    line: Line = field(default_factory=lambda: Line(0))

    @property
    def every(self) -> bool:
        """Whether it runs for all branches."""
        return "*" in self.refs

    @property
    def default(self) -> bool:
        """Whether it runs for the default branch by that name."""
        return DEFAULT in self.refs

    @property
    def tags(self) -> bool:
        """Whether it runs for git tags and not for all else too."""
        return bool(self.tag_refs) and not (self.every and self.merges)

    @property
    def branches(self) -> list[str]:
        """The branches that are named."""
        return [each for each in self.refs if each not in ("*", DEFAULT)]

    @property
    def pushed(self) -> bool:
        """Whether any push of a branch or tag, or a pull request, can let it run by itself."""
        return bool(self.refs or self.tag_refs or self.merges)

    @property
    def words(self) -> str:
        """Say what lets it run."""
        tags = (
            [] if not self.tag_refs else ["git tags"] if "*" in self.tag_refs else [f"tags {', '.join(self.tag_refs)}"]
        )
        said = [
            *("the default branch" if each == DEFAULT else "branches" if each == "*" else each for each in self.refs),
            *tags,
            *(["merge requests"] if self.merges else []),
            *(["schedules or by hand"] if self.scheduled else []),
            *(f"`{each}`" for each in self.strange),
        ]
        return ", ".join(dict.fromkeys(said)) or "nothing"


@dataclass(frozen=True, slots=True)
class _Rule:
    """A case with what its rule adds."""

    case: Case
    changes: tuple[str, ...] = ()
    manual: bool = False
    env: tuple[tuple[str, str], ...] = ()
    allowed: bool = False


def when(job: Map, about: str, notes: Notes) -> When:
    """Take `rules`, `only`, `except` and `when` out of a job and return what they say."""
    said = When(line=job.line)
    for key in ("rules", "only", "except"):
        said.line = job.lines.get(key, said.line)
    word = job.pop("when", None)
    if word in ("always", "delayed", "never"):
        notes.add(lines(word, job.line), about, f"when: {word} has no counterpart; left out")
    if "rules" in job:
        rules = list(_rules(job.pop("rules"), about, notes))
    elif "only" in job:
        rules = [_Rule(case, changes) for case, changes in _only(job.pop("only"))]
    else:
        rules = [_Rule(Case(merges="except" not in job))]
    if "except" in job:
        rules = _except(job.pop("except"), rules, said.line, about, notes)
    _joined(rules, said, about, notes)
    said.manual = said.manual or word == "manual"
    said.failed = word == "on_failure"
    return said


def _joined(rules: Sequence[_Rule], said: When, about: str, notes: Notes) -> None:
    """Put all that lets it run into one; where that is more than there, say so."""
    said.scheduled = any(rule.case.scheduled for rule in rules)
    rules = [rule for rule in rules if rule.case.pushed]
    said.manual = bool(rules) and all(rule.manual for rule in rules)
    if not said.manual and any(rule.manual for rule in rules):
        notes.add(said.line, about, "can be started by hand for other pushes there; that is left out")
        rules = [rule for rule in rules if not rule.manual]
    for rule in rules:
        said.refs += [each for each in rule.case.branches if each not in said.refs]
        said.tag_refs += [each for each in rule.case.tags if each not in said.tag_refs]
        said.merges = said.merges or rule.case.merges
        said.strange += [each for each in rule.case.strange if each not in said.strange]
    first = rules[0] if rules else _Rule(Case())
    said.changes = list(first.changes) if all(rule.changes == first.changes for rule in rules) else []
    if not said.changes and any(rule.changes for rule in rules):
        notes.add(said.line, about, "`changes` of some of its rules are left out: one `when` counts for the whole job")
    said.variables = first.case.variables
    if any(rule.case.variables != said.variables for rule in rules):
        said.variables = _values([rule.case.variables for rule in rules])
        if not said.variables:
            notes.add(
                said.line, about, "variables in some of its rules are left out: one `when` counts for the whole job"
            )
    if all(rule.env == first.env for rule in rules):
        said.env = dict(first.env)
    else:
        notes.add(said.line, about, "variables that some of its rules set are left out")
    said.allow_failure = bool(rules) and all(rule.allowed for rule in rules)
    if not said.allow_failure and any(rule.allowed for rule in rules):
        notes.add(said.line, about, "allow_failure of some of its rules is left out")


def _values(each: Sequence[dict[str, list[str]]]) -> dict[str, list[str]]:
    """Return what is true if one of these is, where all speak of the same one variable."""
    if len({tuple(variables) for variables in each}) != 1 or len(each[0]) != 1:
        return {}
    (name,) = each[0]
    return {name: list(dict.fromkeys(value for variables in each for value in variables[name]))}


def _rules(rules: Any, about: str, notes: Notes) -> Iterator[_Rule]:
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
            yield _Rule(case, changes, word == "manual", added, rule.get("allow_failure") == "true")
        if not condition and not changes:
            return


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


def _only(only: Any) -> Iterator[tuple[Case, tuple[str, ...]]]:
    refs = only.get("refs") if isinstance(only, Map) else only
    changes = tuple(paths(only.get("changes"))) if isinstance(only, Map) else ()
    found = [_ref(str(ref)) for ref in flat(refs)] or [Case(merges=False)]
    wanted = [str(each) for each in flat(only.get("variables"))] if isinstance(only, Map) else []
    for case in found:
        for other in [one for condition in wanted for one in cases(condition)] or [Case()]:
            both = Case(
                case.branches, case.tags, case.merges, case.scheduled, other.variables, case.strange + other.strange
            )
            both.only(branches=other.branches, tags=other.tags, merges=other.merges)
            yield both, changes


def _ref(name: str) -> Case:
    nothing = {"branches": (), "tags": (), "merges": False}
    case = Case(**nothing)  # type: ignore[arg-type]
    bare = name.partition("@")[0]
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
        found = patterns(name.rpartition("@")[0] if re.search(r"/@[^/]*$", name) else name)
        case.branches, case.tags = found or ANY, found or ANY
        case.strange += [] if found else [name]
    elif name.startswith("$"):
        found = [DEFAULT] if "DEFAULT_BRANCH" in name else None
        case.branches = found or ANY
        case.strange += [] if found else [name]
    else:
        case.branches = [bare]
    return case


def _except(said: Any, rules: list[_Rule], line: Line, about: str, notes: Notes) -> list[_Rule]:
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
