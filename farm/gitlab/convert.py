"""The whole of a `.gitlab-ci.yml` as a `.farm.yml`, with a note for each thing that is different or gone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from farm.definition import DefinitionError, parse
from farm.gitlab import building, deploys, included, merged, source, trees
from farm.gitlab.images import Images, makes_images
from farm.gitlab.jobs import script, variables
from farm.gitlab.limits import let_in_tags, limits
from farm.gitlab.merged import flat
from farm.gitlab.notes import Note, Notes
from farm.gitlab.source import Line, Map
from farm.gitlab.stage import Tested, left, tests
from farm.gitlab.when import When, when
from farm.gitlab.workflow import Workflow, workflow
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
    text: str, name: str = ".gitlab-ci.yml", read: included.Read = included.nothing, default: str | None = None
) -> Conversion:
    """Convert the text of a file and of those that `read` knows of it. Refused where one cannot be read at all.

    `default` is the name of the default branch, which the file does not tell; unknown it is taken for main.
    """
    notes = Notes()
    data = included.whole(source.load(text, name), read, notes)
    _header(data, notes)
    made = _Pieces(workflow(data, notes), default or "main", notes)
    found = merged.jobs(data, notes)
    made.builders = [building.builder(job, about) for about, job in found.items() if makes_images(job)]
    fetched = trees.beside(found, read, notes)
    for about, job in found.items():
        made.take(job, about)
    document = made.document(merged.stages(data), found, known=default is not None)
    document |= {"source": fetched} if fetched else {}
    order = ("image", "source", "on", "build", "test", "release")
    written = write({key: document[key] for key in order if key in document})
    return Conversion(written, tuple(notes), _mistakes(written))


@dataclass(slots=True)
class _Pieces:
    """What the jobs amount to, gathered one by one."""

    flow: Workflow
    default: str
    notes: Notes
    builders: list[building.Builder] = field(default_factory=list)
    tested: list[Tested] = field(default_factory=list)
    hooks: list[deploys.Hook] = field(default_factory=list)
    changes: list[list[str]] = field(default_factory=list)
    ends: list[tuple[str, Line | None]] = field(default_factory=list)
    """Each job, and where it says that a newer push may end it."""
    built: list[tuple[str, When]] = field(default_factory=list)
    images: Images = field(init=False)

    def __post_init__(self) -> None:
        self.images = Images(self.notes)

    def take(self, job: Map, about: str) -> None:
        """Take a job as what it is: one that builds, tests or deploys, or none that can be here."""
        notes, ours = self.notes, [one.about for one in self.builders]
        _strange(job, about, notes)
        env = self.flow.env | variables(job, about, notes)
        said = when(job, about, notes)
        self.flow.narrow(said, self.default)
        env |= said.env
        stage = str(job.pop("stage", "test"))
        reason = _gone(job, about, stage, said, building=about in ours)
        if reason == _DEPLOY and not said.manual and said.pushed:
            made = deploys.hook(job, about, env, said, stage=stage, built=self.images.names, notes=notes)
            if isinstance(made, deploys.Hook):
                self.hooks.append(made)
                return
            reason = made
        if reason:
            notes.add(job.line, about, reason)
            return
        self.changes.append(said.changes)
        line = job.lines.get("interruptible")
        self.ends.append((about, line if job.pop("interruptible", None) == "true" else None))
        if about in ours:
            self.built.append((about, said))
            building.around(job, about, said, ours, notes)
            inside = self.images.take(job, about, env, said)
            left(job, about, notes)
            if inside:
                self.tested.append(Tested(about, stage, inside, env, When(["*"], ["*"], merges=True, line=job.line)))
        else:
            self.tested.append(Tested(about, stage, job, env, said))

    def document(self, stages: Sequence[str], jobs: Collection[str], *, known: bool) -> dict[str, Any]:
        """Return the keys of the definition."""
        notes, tested, images = self.notes, self.tested, self.images
        document = images.document()
        release = document.get("release")
        released = deploys.joined(self.hooks, release, stages=stages, known=jobs, default=self.default, notes=notes)
        document |= {"release": released} if released else {}
        same = self.changes and all(each == self.changes[0] for each in self.changes)
        shared = self.flow.changes or (self.changes[0] if same else [])
        for about, said in self.built:
            if said.changes and said.changes != shared:
                notes.add(said.line, about, "`changes` are left out: the image is built whatever has changed")
        if tested:
            for one in tested:
                paths = one.when.changes if self.flow.changes or not shared else []
                one.limits = limits(one.when, paths, one.name, self.default, notes, known=known)
            let_in_tags(tested, images.tags, notes)
            document["test"] = tests(tested, stages, images.names, [one.about for one in self.builders], notes)
        else:
            document["test"] = "none"
            notes.add(1, "test", "no job tests: `test: none` says so, and lets the image be released")
        if images.build is None and not images.tags:
            notes.add(1, "build", "no job builds an image; the farm builds one from the Dockerfile of the repository")
        taken = {name for one in tested for name in one.env} | {
            name for one in self.hooks for name in one.made.get("env", ())
        }
        building.told(self.builders, {one.name: one.stage for one in tested}, taken, stages, notes)
        return document | self._on(shared)

    def _on(self, shared: Sequence[str]) -> dict[str, Any]:
        made: dict[str, Any] = {"paths": shared} if shared else {}
        lines = [(about, line) for about, line in self.ends if line is not None]
        if lines and len(lines) == len(self.ends) and self.flow.cancels:
            made["superseded"] = "cancel"
        elif self.flow.cancels:
            for about, line in lines:
                self.notes.add(line, about, "interruptible is left out: `superseded` ends all of a pipeline, see `on`")
        return {"on": made} if made else {}


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
        (not said.pushed, f"runs for {said.words} only; left out" if said.words else "never runs; left out"),
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
