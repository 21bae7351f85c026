"""What stands around the commands of GitLab jobs that build images: the farm does without it, or a note says so."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from farm.gitlab import docker, jobs
from farm.gitlab.jobs import script
from farm.gitlab.merged import flat, lines
from farm.gitlab.notes import Notes
from farm.gitlab.source import Line, Map
from farm.gitlab.when import When

_TOOLS = re.compile(r"docker|dind|kaniko|buildah|buildkit|podman|skopeo|crane")


@dataclass(frozen=True, slots=True)
class Builder:
    """A building job: its stage, its variables by name with their lines, and all words that may name one."""

    about: str
    stage: str
    line: Line
    """Where its stage is said."""
    variables: Mapping[str, Line]
    words: str
    builds: bool
    """Whether it builds, and does not only tag or push."""


def builder(job: Map, about: str) -> Builder:
    """Return what is to be remembered of a job that builds, before something is taken out of it."""
    found = job.get("variables")
    values = [str(value) for value in found.values()] if isinstance(found, Map) else []
    words = "\n".join([*script(job, "before_script", "script"), *values])
    own = found.lines if isinstance(found, Map) else {}
    builds = any(isinstance(one, docker.Build) for one in docker.commands(script(job, "before_script", "script")))
    return Builder(about, str(job.get("stage", "test")), job.lines.get("stage", job.line), own, words, builds)


def around(job: Map, about: str, said: When, builders: Collection[str], notes: Notes) -> None:
    """Take out of a building job what is around it, and note what the farm has no use for."""
    wanted = ", ".join(f"{name}={' or '.join(values)}" for name, values in said.variables.items())
    only = (
        ("is started by hand", said.manual),
        ("runs after a failure only", said.failed),
        (f"runs with {wanted} only", wanted),
    )
    for words in (words for words, is_so in only if is_so):
        notes.add(said.line, about, f"{words} there; here each push builds, and what passes is released")
    _needs(job, about, builders, notes)
    for key in ("image", "services"):
        for item in flat(job.pop(key, None)):
            for more in _more(item):
                notes.add(item.lines[more], about, f"{more} of {key} has no counterpart for a build; left out")
            name = str(item.get("name") if isinstance(item, Map) else item)
            if not _TOOLS.search(name):
                at = lines(item, job.lines[key])
                notes.add(at, about, f"{key}: {name} is left out: the farm builds from the Dockerfile alone")


def _needs(job: Map, about: str, builders: Collection[str], notes: Notes) -> None:
    line = job.lines.get("needs", job.line)
    for item in flat(job.pop("needs", None)):
        beyond = sorted(set(item) - {"job", "artifacts", "optional"}) if isinstance(item, Map) else []
        for key in beyond:
            notes.add(item.lines[key], about, f"{key} of needs has no counterpart; left out")
        need = item.get("job") if isinstance(item, Map) else item
        if need not in builders and not beyond:
            notes.add(lines(item, line), about, f"does not wait for {need}: the image is built before it is tested")


def told(
    builders: Sequence[Builder], tested: Mapping[str, str], taken: Collection[str], stages: Sequence[str], notes: Notes
) -> None:
    """Note what comes of the order of stages, and the variables that nobody asks for.

    `tested` is the stage of each job that tests, and `taken` are the variables that these have.
    """
    place = {stage: index for index, stage in enumerate(stages)}
    for one in builders:
        earlier = [name for name, stage in tested.items() if place.get(stage, 0) < place.get(one.stage, 0)]
        if one.builds and {*earlier} - {one.about}:
            notes.add(one.line, one.about, "comes after tests there; here the image is built first, and then tested")
        for name, line in one.variables.items():
            if name not in taken and not jobs.told(name) and not re.search(rf"\b{re.escape(name)}\b", one.words):
                message = f"the variable {name} is left out: a Dockerfile is given `args` alone, and nothing names it"
                notes.add(line, one.about, message)


def _more(item: object) -> Iterator[str]:
    """Give what is said of an image beside its name, and what makes a tool of it."""
    known = {"name", "entrypoint", "alias", "command", "variables"}
    yield from sorted(set(item) - known) if isinstance(item, Map) else ()
