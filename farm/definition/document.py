"""How `.farm.yml` is written: its keys with their short forms. `resolve` gives the definition that the farm uses.

The JSON Schema comes from these models, and what it says of each key from the words below them.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from farm.definition import models
from farm.definition.commands import Env, ImageLabels, Script
from farm.definition.hooks import After, resolved
from farm.definition.models import Value
from farm.definition.names import Files, ImageName, Inside, RepositoryName, Revision, Secrets, Sources
from farm.definition.quantities import PipelineTimeout
from farm.definition.templates import Branches, CacheRefs, Tags
from farm.definition.testing import Nothing, Templates, Test, written_test
from farm.definition.values import Given, Text, kind, wrong


def _cache(value: object) -> object:
    if isinstance(value, bool):
        raise wrong(f"cache is none or names of branches, not {kind(value)}", "it is on unless you write `cache: none`")
    return None if value == "none" else value


Cache = Annotated[CacheRefs | None, BeforeValidator(_cache, json_schema_input_type=Literal["none"] | CacheRefs), Given]


class Include(Value):
    """Another file that this definition is made of."""

    model_config = ConfigDict(json_schema_extra={"dependentRequired": {"ref": ["repository"]}})

    file: Inside
    """Its path, from the root of its repository."""
    repository: Annotated[RepositoryName | None, Given] = None
    """Another repository that has it; without it this one has, at the commit that is pushed."""
    ref: Annotated[Revision | None, Given] = None
    """The branch, tag or commit of the other repository; without it its default branch."""


def _include(value: object) -> object:
    if isinstance(value, str):
        return {"file": value}
    if isinstance(value, dict) and "ref" in value and "repository" not in value:
        raise wrong("ref is for another repository", "this one is read at the commit that is pushed; remove ref")
    return value


def _includes(value: object) -> object:
    return value if isinstance(value, tuple) else (value,)


_Included = Annotated[Include, BeforeValidator(_include, json_schema_input_type=Inside | Include)]
_Several = Annotated[list[_Included], Field(min_length=1, max_length=20)]
Includes = Annotated[
    tuple[_Included, ...],
    Field(min_length=1, max_length=20),
    BeforeValidator(_includes, json_schema_input_type=Inside | Include | _Several),
]


class Build(Value):
    """How the image is built."""

    context: Inside = "."
    """The folder that the build sees, relative to the repository."""
    dockerfile: Inside = "Dockerfile"
    """The Dockerfile, relative to the context."""
    target: Annotated[Text | None, Given] = None
    """The stage of the Dockerfile to stop at; without it the last one."""
    args: Env = Field(default_factory=dict)
    """Values of the Dockerfile's ARG lines."""
    secrets: Secrets = ()
    """Secrets of the repository, for `RUN --mount=type=secret,id=NAME`; they get into no layer."""
    labels: ImageLabels = Field(default_factory=dict)
    """Labels of the image, beside those that the farm gives it."""
    tags: Tags = ()
    """More tags of the image that was built, tested or not; a release's tags and `latest` are none of these."""
    cache: Cache = ()
    """Branches or git tags whose newest images lend their layers, or `none`; else its own ref, or the default."""

    def resolve(self) -> models.Build:
        """Return what the farm uses."""
        return models.Build(
            context=self.context,
            dockerfile=self.dockerfile,
            target=self.target,
            args=self.args,
            secrets=self.secrets,
            labels=self.labels,
            tags=self.tags,
            cache=self.cache,
        )


class Release(Value):
    """What releases, and under which tags."""

    branches: Branches = ()
    """Branches that release; this can only narrow what the server protects."""
    tags: Tags = ("latest",)
    """Tags of the released image; {branch}, {tag}, {short_sha}, {number} and {date} are filled in."""
    after: After = Field(default_factory=dict)
    """What is done once the image is released, by name: commands that run in it, or URLs that are called."""

    def resolve(self) -> models.Release:
        """Return what the farm uses."""
        return models.Release(branches=self.branches, tags=self.tags, after=resolved(self.after))


def _release(value: object) -> object:
    if value == "none":
        return Release.model_construct(branches=(), tags=(), after={})
    if value is False:
        raise wrong("release is a mapping, not false", "write `release: none` to release nothing")
    return value


class On(Value):
    """Which pushes of a branch run. A new branch and a git tag always do."""

    paths: Files = ()
    """Only pushes that change one of these files: names, folders, or patterns with * and **."""
    ignore: Files = ()
    """Not those that only change these."""
    superseded: models.Superseded = "finish"
    """What this push lets older pipelines of its branch do: finish, or cancel unless their release has begun."""

    def resolve(self) -> models.On:
        """Return what the farm uses."""
        return models.On(paths=self.paths, ignore=self.ignore, superseded=self.superseded)


def _slack(value: object) -> object:
    return "never" if value is False or value == "off" else value


Slack = Annotated[
    models.SlackWhen,
    BeforeValidator(_slack, json_schema_input_type=Literal["always", "change", "failure", "never", "off", False]),
]


class Notify(Value):
    """Who hears of the pipeline's end."""

    slack: Annotated[Slack | None, Given] = None
    """When Slack is told: always, change (it breaks, it is mended), failure, never or off."""

    def resolve(self) -> models.Notify:
        """Return what the farm uses."""
        return models.Notify(slack=self.slack)


class Document(Value):
    """A definition as it is written."""

    image: Annotated[ImageName | None, Given] = None
    """The name of the image; without it the repository's."""
    source: Sources = ()
    """What is fetched with the files of the commit: submodules, and what Git LFS holds (lfs)."""
    build: Build = Build()
    """How the image is built."""
    test: Annotated[Test | None, BeforeValidator(written_test, json_schema_input_type=Script | Test)] = None
    """A command, a list of commands, a whole job, or `none`: nothing is tested on purpose."""
    on: On = On()
    """Which pushes run."""
    release: Annotated[Release, BeforeValidator(_release, json_schema_input_type=Literal["none"] | Release)] = Release()
    """What releases, and under which tags, or `none`. Without it what the server protects releases `latest`."""
    notify: Notify = Notify()
    """Who hears of the pipeline's end."""
    timeout: Annotated[PipelineTimeout | None, Given] = None
    """How long the whole pipeline may take from the start of its first step; then it fails."""
    include: Includes = ()
    """Other files, each a definition or a part of one; what stands here goes before, a later file before an earlier."""
    templates: Templates = Field(default_factory=dict)
    """What jobs can take over by `extends`, by name: jobs that need not be whole, and never run by themselves."""

    def resolve(self) -> models.Definition:
        """Return the definition that the farm uses."""
        return models.Definition(
            image=self.image,
            source=tuple(sorted(set(self.source))),
            build=self.build.resolve(),
            jobs=self.test.resolve() if self.test else {},
            untested=isinstance(self.test, Nothing),
            release=self.release.resolve(),
            notify=self.notify.resolve(),
            on=self.on.resolve(),
            timeout=self.timeout,
        )
