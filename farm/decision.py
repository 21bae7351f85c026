"""What a push becomes: steps to run, or a reason why none. The rule is pure; farm.evidence gathers what it needs."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from farm import applying, variables
from farm.definition import ALONE, Definition, DefinitionError, Files, Server, expand, matches, parse
from farm.errors import Failed
from farm.git import Commit
from farm.pipeline import Status, Step, step_name
from farm.push import Push
from farm.refs import short

FILE = ".farm.yml"
SKIP_OPTION = "farm.skip"
_MARKER = re.compile(r"\[(ci skip|skip ci)\]", re.IGNORECASE)
_UNFIT = re.compile(r"[^a-z0-9]+")
_NOTHING_TESTED = "nothing was tested, so nothing is released"
_NO_JOB = f"no job of `test` is for this push: {_NOTHING_TESTED}"


@dataclass(frozen=True, slots=True)
class Close:
    """No stage runs: the pipeline ends with this status and reason. `messages` are the mistakes of the definition."""

    status: Status
    reason: str
    messages: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps to run, each behind those that it needs; all tags are those of this very push."""

    steps: Sequence[Step]
    definition: Definition
    image: str
    """The image's repository, without the registry's host."""
    remark: str | None = None
    """Why nothing is tested or released, where that is so."""
    protected: bool = False
    """Whether its steps may have protected secrets."""


def unseen(push: Push, number: int = 0, approved_by: str = "") -> Close | None:
    """Return why a push has no stages, as far as that needs no look into the repository.

    Commits of a fork run for nobody but who was told so: they are strangers' code.
    """
    if push.deleted:
        kind = "branch" if push.branch else "tag" if push.tag else "ref"
        return Close(Status.SKIPPED, f"the {kind} was deleted")
    if push.pull_request and push.fork and not approved_by:
        reason = f"it comes from {push.fork}; a maintainer who has read it lets it run by `farm approve {number}`"
        return Close(Status.SKIPPED, reason)
    if push.branch is None and push.tag is None and push.pull_request is None:
        return Close(Status.SKIPPED, f"{push.ref} is neither a branch nor a tag")
    if SKIP_OPTION in push.options:
        return Close(Status.SKIPPED, f"git push -o {SKIP_OPTION}")
    return None


def decide(
    push: Push,
    number: int,
    commit: Commit,
    text: bytes | None,
    *,
    protected: bool,
    date: str,
    files: Files = ALONE,
    server: Server | None = None,
    changed: Callable[[Sequence[str], Sequence[str]], bool] = lambda paths, ignore: True,  # noqa: ARG005
    unchanged: applying.Unchanged = lambda name, job: None,  # noqa: ARG005
    share: Callable[[Definition], Definition] = lambda definition: definition,
) -> Plan | Close:
    """Return what a push becomes by its commit and the text of its definition, None where it has no such file.

    `files` are those that it can include, `server` what is known here of the repository; `changed` says whether the
    push changes one of these paths beside those to ignore, `unchanged` whether a job has passed already with the files
    that it names; `share` divides the files of shards.
    """
    if (marker := _MARKER.search(commit.message)) and not push.by_hand:
        return Close(Status.SKIPPED, f"{marker[0]} in the commit's message")
    try:
        definition = Definition() if text is None else parse(text, FILE, files, server or Server(push.repository))
    except DefinitionError as error:
        return Close(Status.FAILED, "definition", str(error).splitlines())
    if (definition.on.paths or definition.on.ignore) and not changed(definition.on.paths, definition.on.ignore):
        return Close(Status.SKIPPED, "the push changes none of the files that `on` names")
    try:
        definition = share(variables.applied(definition, variables.variables(push.options)))
    except Failed as error:
        return Close(Status.FAILED, str(error))
    left = applying.left_out(definition, push, unchanged)
    tags, remark = releases(push, number, commit, definition, protected=protected, date=date)
    if text is None:
        remark = f"no {FILE}: {_NOTHING_TESTED}"
    if left and len(left) == len(definition.jobs):  # what nothing has tested is not for `latest`
        tags, remark = (), _NO_JOB
    release = definition.release.model_copy(update={"tags": tags})
    extra = () if push.pull_request else _filled(definition.build.tags, push, number, commit, date)
    build = definition.build.model_copy(update={"tags": extra})
    return Plan(
        steps=steps(definition, release=bool(tags), left=left),
        definition=applying.without(definition, left).model_copy(update={"release": release, "build": build}),
        image=definition.image or image_name(push.repository),
        remark=remark,
        protected=protected,
    )


def releases(
    push: Push, number: int, commit: Commit, definition: Definition, *, protected: bool, date: str
) -> tuple[tuple[str, ...], str | None]:
    """Return the tags that a pipeline may move if all goes well, or none and the reason.

    The server says which refs are protected and so may release; the definition can only narrow that to some branches.
    """
    name = short(push.ref)
    branches = definition.release.branches
    if not definition.releasable:
        return (), _NOTHING_TESTED
    if not definition.release.tags:
        return (), "release: none"
    if not protected or (push.branch and branches and not matches(branches, push.branch)):
        return (), f"{name} does not release"
    tags = _filled(definition.release.tags, push, number, commit, date)
    return tags, None if tags else f"no tag of `release` is for {name}, so nothing is released"


def _filled(templates: tuple[str, ...], push: Push, number: int, commit: Commit, date: str) -> tuple[str, ...]:
    return expand(templates, branch=push.branch, tag=push.tag, commit=commit.id, number=number, date=date)


def steps(definition: Definition, *, release: bool, left: Mapping[str, str] = MappingProxyType({})) -> tuple[Step, ...]:
    """Return the steps of a definition in an order in which each comes behind those that it needs.

    Those of jobs that are left out say why, and nothing waits for them.
    """
    build = Step("build", "build", queue="build")
    names = {job: step_name(job) for job in definition.jobs}
    jobs = {**definition.jobs, **applying.without(definition, left).jobs}
    tests = tuple(
        Step(names[name], "test", skip=left[name], queue="test")
        if name in left
        else Step(
            names[name], "test", tuple(names[need] for need in job.needs) or (build.name,), _queue("test", job.runs_on)
        )
        for name, job in jobs.items()
    )
    needed = tuple(step for name, step in names.items() if name not in left)
    last = Step("release", "release", needed or (build.name,), "release")
    hooks = tuple(Step(f"release/{name}", "release", (last.name,), "release") for name in definition.release.after)
    return (build, *tests, last, *hooks) if release else (build, *tests)


def _queue(stage: str, labels: Sequence[str]) -> str:
    """Return the queue of the workers that have all labels: one queue for each sorted set of them."""
    return "+".join([stage, *sorted(labels)])


def image_name(repository: str) -> str:
    """Return the name of a repository as a registry takes it: lower-case letters and digits, parts joined by dashes."""
    parts = [_UNFIT.sub("-", part.lower()).strip("-") for part in repository.split("/")]
    return "/".join(part for part in parts if part) or "image"
