"""When a GitLab job runs: `rules`, `only` and `except` in their common forms. What they mean here others decide."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from farm.gitlab.cases import DEFAULT, Case
from farm.gitlab.merged import lines
from farm.gitlab.notes import Notes
from farm.gitlab.only import excepted, only
from farm.gitlab.rules import Rule, rules
from farm.gitlab.source import Line, Map


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
        """Say what lets it run, nothing if nothing does."""
        tags = (
            [] if not self.tag_refs else ["git tags"] if "*" in self.tag_refs else [f"tags {', '.join(self.tag_refs)}"]
        )
        if self.every and "*" in self.tag_refs and self.merges and self.strange:
            return ", ".join(f"`{each}`" for each in self.strange)
        said = [
            *("the default branch" if each == DEFAULT else "branches" if each == "*" else each for each in self.refs),
            *tags,
            *(["merge requests"] if self.merges else []),
            *(["schedules or by hand"] if self.scheduled else []),
            *(f"`{each}`" for each in self.strange),
        ]
        return ", ".join(dict.fromkeys(said))


def when(job: Map, about: str, notes: Notes) -> When:
    """Take `rules`, `only`, `except` and `when` out of a job and return what they say."""
    said = When(line=job.line)
    for key in ("rules", "only", "except"):
        said.line = job.lines.get(key, said.line)
    word = job.pop("when", None)
    if word and not {"rules", "only", "except"} & job.keys():
        said.line = job.lines["when"]
    if word in ("always", "delayed", "never"):
        notes.add(lines(word, job.line), about, f"when: {word} has no counterpart; left out")
    if "rules" in job:
        found = list(rules(job.pop("rules"), about, notes))
    elif "only" in job:
        found = [Rule(case, changes) for case, changes in only(job.pop("only"), said.line, about, notes)]
    else:
        found = [Rule(Case(merges="except" not in job))]
    if "except" in job:
        found = excepted(job.pop("except"), found, said.line, about, notes)
    joined(found, said, about, notes)
    said.manual = said.manual or word == "manual"
    said.failed = word == "on_failure"
    return said


def joined(rules: Sequence[Rule], said: When, about: str, notes: Notes, *, whole: bool = False) -> None:
    """Put all that lets it run into one; where that is more than there, say so. `whole` is for a whole pipeline."""
    said.scheduled = any(rule.case.scheduled for rule in rules)
    rules = [rule for rule in rules if rule.case.pushed]
    if said.scheduled and rules and not whole:
        notes.add(
            said.line,
            about,
            "runs for schedules or by hand too; left out: here a schedule or `farm trigger` starts a whole pipeline",
        )
    said.manual = bool(rules) and all(rule.manual for rule in rules)
    if not said.manual and any(rule.manual for rule in rules):
        notes.add(said.line, about, "can be started by hand for other pushes there; that is left out")
        rules = [rule for rule in rules if not rule.manual]
    for rule in rules:
        said.refs += [each for each in rule.case.branches if each not in said.refs]
        said.tag_refs += [each for each in rule.case.tags if each not in said.tag_refs]
        said.merges = said.merges or rule.case.merges
        said.strange += [each for each in rule.case.strange if each not in said.strange]
    first = rules[0] if rules else Rule(Case())
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
