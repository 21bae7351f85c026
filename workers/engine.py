"""The seam between the stages and whatever runs containers: one Protocol and its values. Nothing here knows Docker."""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, Protocol, Self

Kind = Literal["container", "network", "volume"]
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
    Secrets are by id, for `RUN --mount=type=secret,id=ID`. With `cache_from` (names of images in a registry) the image
    also carries what later builds need to use it as their cache.
    """

    dockerfile: str = "Dockerfile"
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    cache_from: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()


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
class Mount:
    """A volume's name or an absolute path of the engine's host, and where the container sees it."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one container may take: bytes of memory and swap, processors, processes; None is no limit."""

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container to start. None for command, entrypoint, user, directory means the image's own; `()` clears it.

    `network` is the name of one, `none`, `host` or `container:ID`. `attach` means that `wait` wants its output,
    `init` that an engine's own process 1 reaps what the command leaves behind.
    The image's health check is never run by the engine: whoever waits for a service asks it much more often.
    """

    owner: Owner
    image: str
    command: Sequence[str] | None = None
    entrypoint: Sequence[str] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    directory: str | None = None
    mounts: Sequence[Mount] = ()
    tmpfs: Sequence[str] = ()
    network: str = "none"
    aliases: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    capabilities: Sequence[str] = CAPABILITIES
    init: bool = False
    attach: bool = False
    word: str = ""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container or a command ended; `oom` says that the memory limit killed something in it."""

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
class Object:
    """A container, network or volume that a farm made; `created` is in Unix seconds."""

    kind: Kind
    id: str
    name: str
    owner: Owner
    created: float


class Engine(Protocol):
    """What the stages ask of an engine. It decides nothing: limits and the moment of removal come from the caller.

    Methods may be called from several threads and processes at once; each blocks until its effect is there. `check`
    is called at least every half second, in the caller's thread, while a method waits; whatever it raises ends the
    wait, stops a build or a transfer, and comes out unchanged (a container goes on until it is removed). `output` and
    `log` are called in the caller's thread too. A `deadline` is a time of `time.monotonic()`; past it, TimeoutError.

    Errored means that the engine or a registry is away, full or broken; Failed that what the user asked for is at
    fault. Their one sentence is fit for the person who pushed.
    """

    def answers(self) -> bool:
        """Say soon, and whatever is wrong, whether the engine takes requests now."""

    def info(self) -> EngineInfo:
        """Say what the engine is."""

    def unbroken(self) -> AbstractContextManager[Check]:
        """Give a check that raises Errored if the engine has ended, or begun to end, since the `with` began.

        An engine that ends kills what runs on it: what a build or a container said last is then not the pushed code's
        word.
        """

    def build(self, context: IO[bytes] | Path, spec: BuildSpec, *, log: Output, check: Check) -> Built:
        """Make an image from a tar stream (compressed or not, `.dockerignore` applied) or from a directory.

        The log tells which builder it is. Failed: a broken Dockerfile, an unknown base image, a step that fails.
        """

    def push(self, image_id: str, repository: str, tags: Sequence[str], *, check: Check) -> str:
        """Push an image under each tag of a repository (`host/name`); return the digest of its manifest."""

    def pull(self, reference: str, *, check: Check, log: Output | None = None) -> Image:
        """Return the image, fetched only if this engine lacks it. Failed: no registry gives such an image."""

    def image(self, reference: str) -> Image | None:
        """Return an image that is on this engine (by name, digest or id), or None."""

    def repositories(self, registry: str) -> Sequence[str]:
        """List the repositories (`host/name`) of a registry that have images here."""

    def images(self, repository: str) -> Sequence[tuple[str, float]]:
        """List the names that images of a repository have here and when each image was made, newest first.

        Names are `repository:tag`, or `repository@digest` for an image that was pulled and has no tag of it.
        """

    def remove_image(self, reference: str) -> bool:
        """Take a name away, and the image with its last one; False if a container needs it. None such is fine."""

    def trim_cache(self, keep: int) -> None:
        """Throw away of the builders' cache what was not used for longest, until it has at most so many bytes."""

    def create_network(self, owner: Owner, *, internal: bool = False) -> str:
        """Make a network and return its name; an internal one has no way to the outside."""

    def hold(self, owner: Owner, network: Callable[[], str]) -> str | None:
        """Start a container that does nothing but keep a place in a network open, and return its name.

        A container with the network `container:NAME` starts into that place much faster than into one of its own. The
        network is asked for when the container runs already, so that it can be made meanwhile. None where the engine
        has no program for it.
        """

    def create_volume(self, owner: Owner) -> str:
        """Make an empty volume and return its name."""

    def start(self, spec: ContainerSpec, *, tree: Iterable[bytes] | None = None) -> str:
        """Start a container and return its name. Failed: the image has no such program; it is removed again then.

        A tree, the pieces of a plain tar, is unpacked at the root before, over what the image has there; what the
        pieces raise comes out unchanged, and the container is removed.
        """

    def wait(
        self, container: str, *, check: Check, output: Output | None = None, deadline: float | None = None
    ) -> Exit:
        """Wait until a container has ended and every byte of its output was given to `output` (once, if attached)."""

    def exec(
        self,
        container: str,
        command: Sequence[str],
        *,
        check: Check,
        output: Output | None = None,
        deadline: float | None = None,
    ) -> Exit:
        """Run a command in a running container; code 126 or 127 if there is no such program. It may outlive us."""

    def state(self, container: str) -> ContainerState:
        """Say how a container stands."""

    def tail(self, container: str, lines: int) -> bytes:
        """Return the last lines of what a container has said so far."""

    def read(self, container: str, patterns: Sequence[str], *, limit: int, check: Check) -> Sequence[File]:
        """Read the regular files that match a glob (`**` too; relative to the working directory), after its end too.

        Failed: they hold more than `limit` bytes together. A pattern without a match is no error. Files on a tmpfs
        are not seen.
        """

    def objects(self, labels: Mapping[str, str]) -> Sequence[Object]:
        """List the containers, networks and volumes of farms that carry these labels, in the order of safe removal."""

    def remove(self, kind: Kind, name: str) -> None:
        """Kill (never stop) and remove an object, a container with its unnamed volumes; one that is gone is fine."""
