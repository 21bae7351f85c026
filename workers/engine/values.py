"""The values that stages and an engine exchange. They know neither Docker nor any effect."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, Self

from farm.errors import Failed

Kind = Literal["container", "network"]
Check = Callable[[], None]
Output = Callable[[bytes], None]

# What the programs of ordinary images (postgres, nginx) need to set up their files and then drop to their own user.
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")


@dataclass(frozen=True, slots=True)
class Owner:
    """For which attempt of which step of which farm an object exists, and until when (Unix seconds) at most.

    It becomes the labels and the name of the object. Both must agree before anything is removed: labels alone can also
    come from an image that a stranger's Dockerfile has labelled.
    """

    farm: str
    pipeline: int
    step: str
    fence: int
    expires: int

    def labels(self) -> dict[str, str]:
        """Return what every object of this attempt carries."""
        return {
            "farm.id": self.farm,
            "farm.pipeline": str(self.pipeline),
            "farm.step": self.step,
            "farm.fence": str(self.fence),
            "farm.expires": str(self.expires),
        }

    def name(self, word: str = "") -> str:
        """Return a new name such as `farm-0f3c5a7b9d1e-218-test-3f9a1c80`; a word takes the place of the step."""
        word = "".join(char if char.isalnum() and char.isascii() else "-" for char in word or self.step)[:40]
        return f"farm-{self.farm}-{self.pipeline}-{word}-{secrets.token_hex(4)}"

    @classmethod
    def of(cls, name: str, labels: Mapping[str, str]) -> Self | None:
        """Read the owner of an object back, or return None if no farm has made it."""
        try:
            numbers = [int(labels[f"farm.{key}"]) for key in ("pipeline", "fence", "expires")]
            owner = cls(labels["farm.id"], numbers[0], labels["farm.step"], numbers[1], numbers[2])
        except (KeyError, ValueError):
            return None
        return owner if name.startswith(f"farm-{owner.farm}-{owner.pipeline}-") else None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine says about itself. `builder` is the one that a build without secrets would use.

    `root` is where it keeps its data, None if that is on another machine.
    """

    version: str
    storage: str
    builder: str
    architecture: str
    cpus: int
    memory: int
    root: Path | None


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """What to make of a build context. `dockerfile` is relative to it; `tags` are whole names (`host/repo:tag`).

    Labels are those of the image, so never an Owner's: every container of a released image would inherit them.
    Secrets are by id, for `RUN --mount=type=secret,id=ID`.

    `cache_from` are images in a registry whose layers may be taken instead of made; one that cannot be read is none.
    Unless it is None the image carries what a later build needs to use it so. The classic builder does neither.
    """

    dockerfile: str = "Dockerfile"
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    cache_from: Sequence[str] | None = None
    registries: Sequence[str] = ()
    """Hosts of the images that the Dockerfile names; the engine shows each the login that it has for it."""


@dataclass(frozen=True, slots=True)
class Built:
    """The outcome of a build: the image's id (`sha256:…`, known to this engine only) and which builder made it."""

    image_id: str
    builder: str


@dataclass(frozen=True, slots=True)
class Image:
    """What an image on this engine says about itself. A health check is a command as for `exec`, without times."""

    id: str
    digests: Sequence[str]
    labels: Mapping[str, str]
    env: Mapping[str, str]
    ports: Sequence[int]
    entrypoint: Sequence[str]
    command: Sequence[str]
    healthcheck: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one container may take: bytes of memory and swap, processors, processes; None is no limit."""

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container to start. None for command, entrypoint, directory means the image's own; `()` clears it.

    `network` is the name of one, `none`, `host` or `container:ID`. `attach` means that `wait` wants its output.
    The image's health check is never run by the engine: whoever waits for a service asks it much more often.
    """

    owner: Owner
    image: str
    command: Sequence[str] | None = None
    entrypoint: Sequence[str] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    directory: str | None = None
    tmpfs: Sequence[str] = ()
    network: str = "none"
    aliases: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    capabilities: Sequence[str] = CAPABILITIES
    attach: bool = False
    word: str = ""


class NoProgram(Failed):
    """The image has not the program that a container was to run."""

    def __init__(self, image: str, program: str, why: str) -> None:
        super().__init__(image, program, why)
        self.image = image
        self.program = program
        self.why = why

    def __str__(self) -> str:
        return f"image {self.image} cannot run {self.program}: {self.why}"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container or a command ended; `oom` says that the memory limit killed something in it.

    It does not say that none was: a busy Docker Engine 20.10 missed 1 of 36, whose code was 137 alone.
    """

    code: int
    oom: bool = False


@dataclass(frozen=True, slots=True)
class ContainerState:
    """How a container stands. `exit` is None while it runs, `address` is None without a network of its own."""

    exit: Exit | None
    address: str | None


@dataclass(frozen=True, slots=True)
class File:
    """A file that was read out of a container, by its absolute path in there."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """What a walk finds in a container; `content` can be read until the next one, None for what is no regular file."""

    path: str
    home: str
    """The working directory of the container."""
    patterns: tuple[str, ...]
    """Those of the patterns asked for that it matches."""
    size: int
    time: float
    content: IO[bytes] | None


@dataclass(frozen=True, slots=True)
class Object:
    """A container or network that a farm made; `created` is in Unix seconds."""

    kind: Kind
    id: str
    name: str
    owner: Owner
    created: float
