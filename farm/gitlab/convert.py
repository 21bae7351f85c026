"""The whole of a `.gitlab-ci.yml` as a `.farm.yml`, with a note for each thing that is different or gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from farm.definition import DefinitionError, parse
from farm.gitlab import deploys, included, merged, source, trees
from farm.gitlab.images import Images, makes_images
from farm.gitlab.jobs import script, variables
from farm.gitlab.limits import let_in_tags, limits
from farm.gitlab.merged import flat
from farm.gitlab.notes import Note, Notes
from farm.gitlab.source import Map
from farm.gitlab.stage import Tested, left, needs_of, tests
from farm.gitlab.when import When, when
from farm.gitlab.write import write

_DEPLOY = "deploys, so it is left out: the farm ends with the released image"
_DEPLOYS = ("deploy", "production", "staging", "review", "release", ".post")


@dataclass(frozen=True, slots=True)
class Conversion:
    """The text of the `.farm.yml` and what to know about it."""

    text: str
    notes: Sequence[Note]
    mistakes: Sequence[str] = ()
    """What the farm's own parser says of the text, where the file cannot be said here (or is not valid there)."""


def convert(
    text: str, name: str = ".gitlab-ci.yml", read: included.Read = included.nothing, default: str = "main"
) -> Conversion:
    """Convert the text of a file and of those that `read` knows of it. Refused where one cannot be read at all.

    `default` is the name of the default branch, which the file does not tell.
    """
    notes = Notes()
    data = included.whole(source.load(text, name), read, notes)
    _header(data, notes)
    found = merged.jobs(data, notes)
    fetched = trees.beside(found, read, notes)
    images, tested, hooks = Images(notes), list[Tested](), dict[str, dict[str, Any]]()
    changes, interruptible = list[list[str]](), list[bool]()
    for about, job in found.items():
        _strange(job, about, notes)
        env = variables(job, about, notes)
        said = when(job, about, notes)
        env |= said.env
        stage = str(job.pop("stage", "test"))
        building = makes_images(job)
        interruptible.append(job.get("interruptible") == "true")
        reason = _gone(job, about, stage, said, building=building)
        if reason == _DEPLOY and not said.manual and said.pushed:
            made = deploys.hook(job, about, env, said, built=images.names, notes=notes)
            if isinstance(made, dict):
                hooks[about] = made
                continue
            reason = made
        if reason:
            notes.add(job.line, about, reason)
            continue
        changes.append(said.changes)
        if building:
            inside = images.take(job, about, env, said)
            needs_of(job, about, {}, notes)
            left(job, about, notes)
            if inside:
                tested.append(Tested(about, stage, inside, env, When(["*"], ["*"], merges=True, line=job.line)))
        else:
            tested.append(Tested(about, stage, job, env, said))
    document = images.document()
    released = deploys.joined(hooks, document.get("release"), notes)
    document |= {"release": released} if released else {}
    shared = changes[0] if changes and all(each == changes[0] for each in changes) else []
    if tested:
        for one in tested:
            one.limits = limits(one.when, [] if shared else one.when.changes, one.name, default, notes)
        let_in_tags(tested, images.tags, notes)
        document["test"] = tests(tested, merged.stages(data), images.names, notes)
    else:
        document["test"] = "none"
        notes.add(1, "test", "no job tests: `test: none` says so, and lets the image be released")
    if images.build is None and not images.tags:
        notes.add(1, "build", "no job builds an image; the farm builds one from the Dockerfile of the repository")
    document |= _on(shared, interruptible, notes) | ({"source": fetched} if fetched else {})
    ordered: dict[str, Any] = {
        key: document[key] for key in ("image", "source", "on", "build", "test", "release") if key in document
    }
    written = write(ordered)
    return Conversion(written, tuple(notes), _mistakes(written))


def _mistakes(text: str) -> Sequence[str]:
    try:
        parse(text)
    except DefinitionError as error:
        return [str(mistake) for mistake in error.mistakes]
    return ()


def _header(data: Map, notes: Notes) -> None:
    if "spec" in data:
        notes.add(data.lines["spec"], "spec", "inputs have no counterpart; left out")
    for key in ("variables", "default"):
        if key in data and data[key] is not None and not isinstance(data[key], Map):
            notes.add(data.lines[key], key, "is no mapping; left out")
    workflow = data.get("workflow")
    if isinstance(workflow, Map):
        for key, line in workflow.lines.items():
            notes.add(line, "workflow", f"{key} is left out: every push of a branch or tag runs here; see `on`")


def _strange(job: Map, about: str, notes: Notes) -> None:
    """Note commands that are none, which GitLab refuses too."""
    for key in ("before_script", "script", "after_script"):
        for item in flat(job.get(key)):
            if isinstance(item, Map):
                notes.add(
                    item.line, about, "this command became a mapping because of the `: ` in it; left out, quote it"
                )


def _gone(job: Map, about: str, stage: str, said: When, *, building: bool) -> str | None:
    """Return why a job is left out as a whole."""
    deploys = "environment" in job and (stage != "test" or "deploy" in about)
    reasons = [
        ("trigger" in job, "starts another pipeline; left out"),
        (not said.pushed, f"runs for {said.words} only; left out"),
        (not building and "release" in job, "makes a release of GitLab; left out"),
        (
            not building and (deploys or "pages" in (*job, about) or stage in _DEPLOYS),
            _DEPLOY,
        ),
        (
            not building and said.manual,
            "is started by hand; left out (with `when: {variables: …}` a job runs where a push says so)",
        ),
        (not building and said.failed, "runs after a failure only; left out"),
        (not script(job, "script"), "has no script; left out"),
    ]
    return next((reason for is_so, reason in reasons if is_so), None)


def _on(shared: Sequence[str], interruptible: Sequence[bool], notes: Notes) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if shared:
        made["paths"] = shared
    if interruptible and all(interruptible):
        made["superseded"] = "cancel"
    elif any(interruptible):
        notes.add(
            1, "on", "`interruptible` of some jobs is left out: see `superseded`, which ends all of an older pipeline"
        )
    return {"on": made} if made else {}
