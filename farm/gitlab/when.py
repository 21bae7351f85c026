"""When a GitLab job runs: `rules`, `only` and `except` in their common forms. What they mean here others decide."""

import re
from dataclasses import dataclass, field

from farm.gitlab.merged import flat, lines
from farm.gitlab.notes import Notes
from farm.gitlab.source import List, Map

_BRANCH = r"\$CI_COMMIT_(?:BRANCH|REF_NAME)"
_DEFAULT = re.compile(rf"{_BRANCH}\s*==\s*\$CI_DEFAULT_BRANCH|\$CI_DEFAULT_BRANCH\s*==\s*{_BRANCH}")
_NAMED = re.compile(rf"{_BRANCH}\s*==\s*[\"']([^\"']+)[\"']")
_LIKE = re.compile(rf"{_BRANCH}\s*=~\s*/\^([\w./\\-]*?)(\.\*\$?|\$)?/")
_EITHER = re.compile(rf"{_BRANCH}\s*=~\s*/\^\(([\w./|-]+)\)\$/")
_TAG = re.compile(r"\$CI_COMMIT_TAG(?:\s*(?:!=\s*null|!=\s*[\"'][\"']|=~\s*/.*/))?")
_PUSH = re.compile(rf"{_BRANCH}|\$CI_PIPELINE_SOURCE\s*==\s*[\"']push[\"']|\$CI_COMMIT_BRANCH\s*!=\s*null")
_MERGE = re.compile(
    r"\$CI_PIPELINE_SOURCE\s*==\s*[\"']merge_request_event[\"']|\$CI_MERGE_REQUEST_\w+|\$CI_OPEN_MERGE_REQUESTS"
)
_SCHEDULE = re.compile(r"\$CI_PIPELINE_SOURCE\s*==\s*[\"'](?:schedule|web|api|trigger|pipeline)[\"']")
_KEYWORDS = ("merge_requests", "external_pull_requests")
_OTHERWISE = ("schedules", "web", "api", "triggers", "pipelines", "external", "chat")


@dataclass(slots=True)
class When:
    """What lets a job run. Without `every` it is only what the others name; `strange` is what was not understood."""

    every: bool = False
    default: bool = False
    tags: bool = False
    merges: bool = False
    scheduled: bool = False
    manual: bool = False
    branches: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    line: int = 0

    @property
    def pushed(self) -> bool:
        """Whether any push of a branch or tag can let it run by itself."""
        return self.every or self.default or self.tags or bool(self.branches or self.strange or self.merges)

    @property
    def words(self) -> str:
        """Say what lets it run."""
        said = [
            *(["the default branch"] if self.default else []),
            *self.branches,
            *(["git tags"] if self.tags else []),
            *(["merge requests"] if self.merges else []),
            *(["schedules or by hand"] if self.scheduled else []),
            *(f"`{each}`" for each in self.strange),
        ]
        return ", ".join(said) or "nothing"


def when(job: Map, about: str, notes: Notes) -> When:
    """Take `rules`, `only`, `except` and `when` out of a job and return what they say."""
    said = When(line=job.line)
    for key in ("rules", "only", "except"):
        if key in job:
            said.line = job.lines[key]
    word = job.pop("when", None)
    said.manual = word == "manual"
    if word in ("always", "on_failure", "delayed", "never"):
        notes.add(lines(word, job.line), about, f"when: {word} has no counterpart; left out")
    if "rules" in job:
        _rules(job.pop("rules"), said, about, notes)
    elif "only" in job:
        _only(job.pop("only"), said)
    else:
        said.every = True
    if "except" in job:
        words = ", ".join(str(item) for item in flat(job.pop("except")) if isinstance(item, str)) or "conditions"
        notes.add(said.line, about, f"except: {words} has no counterpart for one job; it runs with every push here")
    return said


def _rules(rules: object, said: When, about: str, notes: Notes) -> None:
    for rule in flat(rules):
        if not isinstance(rule, Map):
            continue
        word = rule.get("when")
        condition = " ".join(str(rule.get("if") or "").split())
        changes = rule.get("changes")
        for key in sorted(set(rule) - {"if", "when", "changes"}):
            notes.add(rule.lines[key], about, f"{key} of a rule has no counterpart; left out")
        if word == "never":
            if condition or changes:
                notes.add(
                    rule.line, about, f"the rule that keeps it from running on `{condition or 'changes'}` is left out"
                )
            continue
        said.manual = said.manual or word == "manual"
        if changes is not None:
            paths = changes.get("paths") if isinstance(changes, Map) else changes
            said.changes += [str(path) for path in flat(paths)]
        if not condition:
            said.every = True
            continue
        for part in re.split(r"\s*\|\|\s*", condition.strip("() ")):
            _condition(part, said)


def _condition(condition: str, said: When) -> None:
    parts = [part.strip("() ") for part in condition.split("&&")]
    if len(parts) > 1:  # what every push fulfils says nothing beside another condition
        condition = " && ".join([part for part in parts if not _PUSH.fullmatch(part)] or parts[:1])
    if _DEFAULT.fullmatch(condition):
        said.default = True
    elif found := _NAMED.fullmatch(condition):
        said.branches.append(found[1])
    elif found := _LIKE.fullmatch(condition):
        said.branches.append(found[1].replace("\\", "") + ("" if found[2] == "$" else "*"))
    elif found := _EITHER.fullmatch(condition):
        said.branches += found[1].split("|")
    elif _TAG.fullmatch(condition):
        said.tags = True
    elif _PUSH.fullmatch(condition):
        said.every = True
    elif _MERGE.fullmatch(condition):
        said.merges = True
    elif _SCHEDULE.fullmatch(condition):
        said.scheduled = True
    else:
        said.strange.append(condition)


def _only(only: object, said: When) -> None:
    refs = only.get("refs") if isinstance(only, Map) else only
    if isinstance(only, Map):
        said.changes += [str(path) for path in flat(only.get("changes"))]
        said.strange += [str(each) for each in flat(only.get("variables"))]
        said.every = refs is None and not said.strange
    for ref in flat(refs) if isinstance(refs, List | str) else ():
        name = str(ref)
        if name in ("branches", "pushes"):
            said.every = True
        elif name == "tags":
            said.tags = True
        elif name in _KEYWORDS:
            said.merges = True
        elif name in _OTHERWISE:
            said.scheduled = True
        elif name.startswith("/"):
            _condition(f"$CI_COMMIT_BRANCH =~ {name}", said)
        elif name.startswith("$"):
            said.default = said.default or "DEFAULT_BRANCH" in name
        else:
            said.branches.append(name.partition("@")[0])
