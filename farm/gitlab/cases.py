"""For which pushes a condition of GitLab lets a job run: refs, pull requests, variables. It knows no job."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from farm.gitlab.conditions import Comparison, parsed, patterns

DEFAULT = "$CI_DEFAULT_BRANCH"
ANY = ("*",)
_PRESET = ("CI_", "GITLAB_", "FARM_")
_BRANCH, _REF, _TAG, _SOURCE = "CI_COMMIT_BRANCH", "CI_COMMIT_REF_NAME", "CI_COMMIT_TAG", "CI_PIPELINE_SOURCE"
_BY_HAND = ("schedule", "web", "api", "trigger", "pipeline", "parent_pipeline", "chat", "external")


@dataclass(slots=True)
class Case:
    """What one alternative lets in; the default is every push and pull request."""

    branches: Sequence[str] = ANY
    tags: Sequence[str] = ANY
    merges: bool = True
    scheduled: bool = False
    variables: dict[str, list[str]] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    """What could not be understood, so that more is let in here than there."""
    apart: list[str] = field(default_factory=list)
    """What keeps out pipelines that begin without a push, which nothing here tells from those of a push."""

    @property
    def pushed(self) -> bool:
        """Whether a push or pull request can be one of these."""
        return bool(self.branches or self.tags or self.merges)

    def only(self, *, branches: Sequence[str] = (), tags: Sequence[str] = (), merges: bool = False) -> None:
        """Let in only what is in both."""
        self.branches = both(self.branches, branches)
        self.tags = both(self.tags, tags)
        self.merges = self.merges and merges


def cases(condition: str) -> list[Case]:
    """Return the cases that a condition lets in, each without what can never be."""
    alternatives = parsed(condition)
    if alternatives is None:
        return [Case(strange=[condition])]
    made = []
    for comparisons in alternatives:
        case = Case()
        for comparison in comparisons:
            _fact(comparison, case)
        made.append(case)
    return made


def _fact(said: Comparison, case: Case) -> None:
    variable, value = said.variable, said.value
    if variable in (_BRANCH, _REF):
        _ref(
            said,
            case,
            lambda names: case.only(branches=names, tags=names if variable == _REF and said.does == "=~" else ()),
        )
    elif variable == _TAG:
        _ref(said, case, lambda names: case.only(tags=names))
    elif variable == _SOURCE and said.does in ("==", "!="):
        _source(said, case)
    elif variable.startswith("CI_MERGE_REQUEST_") or variable == "CI_OPEN_MERGE_REQUESTS":
        if said.does == "unset":
            case.merges = False
        else:
            case.only(merges=True)
            case.strange += [said.words] * (said.does not in ("set", "unset"))
    elif variable == "CI_COMMIT_REF_PROTECTED" or variable.startswith(_PRESET) or variable == "CI":
        case.strange += [said.words] * (variable != "CI")
    elif said.does == "==" and not value.startswith("$"):
        case.variables[variable] = [value]
    elif said.does == "=~" and (found := patterns(value)) and not any("*" in each for each in found):
        case.variables[variable] = found
    else:
        case.strange.append(said.words)


def _ref(said: Comparison, case: Case, only: Callable[[Sequence[str]], None]) -> None:
    """Take a comparison of a branch or a tag."""
    found = patterns(said.value) if said.does == "=~" else None
    if said.does == "set":
        if said.variable != _REF:
            only(ANY)
    elif said.does == "unset":
        if said.variable == _TAG:
            case.tags = ()
        else:
            case.branches = ()
    elif said.does == "==" and (said.value.strip("${}") == "CI_DEFAULT_BRANCH" or not said.value.startswith("$")):
        only([DEFAULT if said.value.startswith("$") else said.value])
    elif found:
        only(found)
    else:
        if said.does in ("=~", "=="):
            only(ANY)
        case.strange.append(said.words)


def _source(said: Comparison, case: Case) -> None:
    same, value = said.does == "==", said.value
    if value == "merge_request_event":
        if same:
            case.only(merges=True)
        else:
            case.merges = False
    elif value in _BY_HAND and same:
        case.only()
        case.scheduled = True
    elif value == "push":
        if same:
            case.only(branches=ANY, tags=ANY)
            case.apart.append(said.words)
        else:
            case.only(merges=True)
            case.scheduled = True
    elif same:
        case.strange.append(said.words)
    else:
        case.apart.append(said.words)


def both(first: Sequence[str], second: Sequence[str]) -> Sequence[str]:
    """Return the names and patterns that both let in; what neither of two patterns holds is none of these."""
    if tuple(second) == ANY:
        return first
    if tuple(first) == ANY:
        return second
    inner = [one for one in first if any(one == two or fnmatchcase(one, two) for two in second)]
    return [*inner, *(two for two in second if two not in inner and any(fnmatchcase(two, one) for one in first))]
