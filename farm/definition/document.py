"""How `.farm.yml` is written: its keys with their short forms. `resolve` gives the definition that the farm uses.

The JSON Schema comes from these models, and what it says of each key from the words below them.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from farm.definition import models
from farm.definition.commands import Arguments, Command, Env, Script
from farm.definition.models import Value
from farm.definition.names import HostName, ImageName, ImageReference, Inside, Patterns
from farm.definition.quantities import JobTimeout, ReadyTimeout
from farm.definition.templates import Branches, Tags
from farm.definition.values import Text, given, kind, text, wrong

Given = BeforeValidator(given)
Port = Annotated[int, Field(ge=1, le=65535)]


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

    def resolve(self) -> models.Build:
        """Return what the farm uses."""
        return models.Build(context=self.context, dockerfile=self.dockerfile, target=self.target, args=self.args)


class Ready(Value):
    """When a service counts as ready: a command in it that succeeds, or a TCP port that answers."""

    command: Annotated[Command | None, Given] = None
    """Run in the service again and again until it exits with 0."""
    port: Annotated[Port | None, Given] = None
    """The TCP port that has to answer."""
    timeout: ReadyTimeout = 60.0
    """How long the service may take to get ready."""

    @model_validator(mode="after")
    def _one(self) -> "Ready":
        if self.command is not None and self.port is not None:
            raise wrong("a service is ready by a command or by a port, not both", "keep the command; it knows more")
        return self


def _ready(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        raise wrong(f"{kind(value)} does not say what is ready", f"write {{port: {value}}}")
    return value if isinstance(value, dict) else {"command": text(value)}


class Service(Value):
    """A container beside the job, gone with it. The job reaches it under its name."""

    image: ImageReference
    """The image, as for `docker pull`."""
    env: Env = Field(default_factory=dict)
    """Its environment."""
    command: Annotated[Arguments | None, Given] = None
    """What it runs instead of the image's own command."""
    ready: Annotated[Ready, BeforeValidator(_ready, json_schema_input_type=Text | Ready)] = Ready()
    """When it is ready: a command, {command: ...} or {port: ...}. Without it the image's HEALTHCHECK decides."""

    def resolve(self) -> models.Service:
        """Return what the farm uses."""
        return models.Service(
            image=self.image,
            env=self.env,
            command=self.command,
            ready=models.Ready(command=self.ready.command, port=self.ready.port),
            timeout=self.ready.timeout,
        )


def _service(value: object) -> object:
    if value is None or isinstance(value, tuple | bool | int | float):
        raise wrong(f"an image is expected here, not {kind(value)}", "write name: postgres:16, or image: below it")
    return {"image": value} if isinstance(value, str) else value


Services = Annotated[
    dict[HostName, Annotated[Service, BeforeValidator(_service, json_schema_input_type=ImageReference | Service)]],
    Field(max_length=20),
]


class Reports(Value):
    """Files that the tests leave behind and the farm reads."""

    junit: Patterns
    """JUnit XML files, as patterns relative to the working directory of the job."""


class Test(Value):
    """The test stage: a script in the image that was built."""

    script: Script
    """One command or several. They run as one script with `sh -ec`; the first that fails ends it."""
    image: Annotated[ImageReference | None, Given] = None
    """An image to run in instead of the one that was built."""
    env: Env = Field(default_factory=dict)
    """The environment of the script."""
    services: Services = Field(default_factory=dict)
    """Containers beside the job: name to image, or name to image, env, command and ready."""
    reports: Annotated[Reports | None, Given] = None
    """What the tests report, so that a failure names the failing test."""
    timeout: JobTimeout = 1800.0
    """How long the script may take."""

    def resolve(self) -> dict[str, models.Job]:
        """Return the jobs that the farm runs."""
        return {
            "test": models.Job(
                script=self.script,
                image=self.image,
                env=self.env,
                services={name: service.resolve() for name, service in self.services.items()},
                junit=self.reports.junit if self.reports else (),
                timeout=self.timeout,
            )
        }


class Nothing(Test):
    """`test: none`: on purpose nothing is tested."""

    script: tuple[str, ...] = ()

    def resolve(self) -> dict[str, models.Job]:
        """Return no job."""
        return {}


def _test(value: object) -> object:
    if value is None:
        raise wrong("test says nothing", "give a command, or `none` if nothing is to be tested on purpose")
    if value == "none":
        return Nothing()
    if isinstance(value, dict):
        return value
    return {"script": value}


class Release(Value):
    """What releases, and under which tags."""

    branches: Branches = ()
    """Branches that release; this can only narrow what the server protects."""
    tags: Tags = ("latest",)
    """Tags of the released image; {branch}, {tag}, {short_sha}, {number} and {date} are filled in."""

    def resolve(self) -> models.Release:
        """Return what the farm uses."""
        return models.Release(branches=self.branches, tags=self.tags)


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
    build: Build = Build()
    """How the image is built."""
    test: Annotated[Test | None, BeforeValidator(_test, json_schema_input_type=Script | Test)] = None
    """A command, a list of commands, a whole job, or `none`: nothing is tested on purpose."""
    release: Release = Release()
    """What releases, and under which tags. Without it what the server protects releases `latest`."""
    notify: Notify = Notify()
    """Who hears of the pipeline's end."""

    def resolve(self) -> models.Definition:
        """Return the definition that the farm uses."""
        return models.Definition(
            image=self.image,
            build=self.build.resolve(),
            jobs=self.test.resolve() if self.test else {},
            untested=isinstance(self.test, Nothing),
            release=self.release.resolve(),
            notify=self.notify.resolve(),
        )
