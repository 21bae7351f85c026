"""How the services of a job are written: containers beside it, gone with it."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

from farm.definition import models
from farm.definition.commands import Arguments, Command, Env
from farm.definition.matrix import fill
from farm.definition.models import Value
from farm.definition.names import Absolutes, HostName, HostNames, ImageTemplate
from farm.definition.quantities import Memory, ReadyTimeout
from farm.definition.values import Given, Text, kind, text, wrong

Port = Annotated[int, Field(ge=1, le=65535)]


class Ready(Value):
    """When a service counts as ready: a command in it that succeeds, or a TCP port that answers."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["command", "port"]}})

    command: Annotated[Command | None, Given] = None
    """Run in the service again and again until it exits with 0."""
    port: Annotated[Port | None, Given] = None
    """The TCP port that has to answer."""
    timeout: ReadyTimeout = 60.0
    """How long the service may take to get ready."""


def _ready(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        raise wrong(f"{kind(value)} does not say what is ready", f"write {{port: {value}}}")
    return value if isinstance(value, dict) else {"command": text(value)}


class Service(Value):
    """A container beside the job, gone with it. The job reaches it under its name."""

    image: ImageTemplate
    """The image, as for `docker pull`; {NAME} stands for a value of the job's matrix."""
    env: Env = Field(default_factory=dict)
    """Its environment."""
    command: Annotated[Arguments | None, Given] = None
    """What it runs instead of the image's own command."""
    ready: Annotated[Ready, BeforeValidator(_ready, json_schema_input_type=Text | Ready)] = Ready()
    """When it is ready: a command, {command: ...} or {port: ...}. Without it the image's HEALTHCHECK decides."""

    needs: HostNames = ()
    """Services that have to be ready before this one starts."""
    tmpfs: Absolutes = ()
    """Folders of it that are kept in memory: a database there is faster."""
    memory: Annotated[Memory | None, Given] = None
    """The most memory that it may take, if that is to be less than the farm gives."""

    def resolve(self, values: Mapping[str, str]) -> models.Service:
        """Return what the farm uses, with the values of the matrix filled in."""
        return models.Service(
            image=fill(self.image, values),
            env=self.env,
            command=self.command,
            ready=models.Ready(command=self.ready.command, port=self.ready.port),
            timeout=self.ready.timeout,
            tmpfs=self.tmpfs,
            needs=self.needs,
            memory=self.memory,
        )


def _service(value: object) -> object:
    if value is None or isinstance(value, tuple | bool | int | float):
        raise wrong(f"an image is expected here, not {kind(value)}", "write name: postgres:16, or image: below it")
    return {"image": value} if isinstance(value, str) else value


Services = Annotated[
    dict[HostName, Annotated[Service, BeforeValidator(_service, json_schema_input_type=ImageTemplate | Service)]],
    Field(max_length=20),
]
