"""What the stages ask of whatever runs containers: the contract, for every engine that is to come."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from workers.engine.values import (
    BuildSpec,
    Built,
    Check,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    Entry,
    Exit,
    File,
    Image,
    Kind,
    Object,
    Output,
    Owner,
)


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

    def create_network(self, owner: Owner) -> str:
        """Make a network and return its name."""

    def hold(self, owner: Owner, network: Callable[[], str]) -> str | None:
        """Start a container that does nothing but keep a place in a network open, and return its name.

        A container with the network `container:NAME` starts into that place much faster than into one of its own. The
        network is asked for when the container runs already, so that it can be made meanwhile. None where the engine
        has no program for it.
        """

    def start(self, spec: ContainerSpec, *, tree: Iterable[bytes] | None = None) -> str:
        """Start a container and return its name. NoProgram: the image lacks what it is to run; it is removed again.

        A tree, the pieces of a plain tar, is unpacked at the root before, over what the image has there; what the
        pieces raise comes out unchanged, and the container is removed.
        """

    def wait(
        self, container: str, *, check: Check, output: Output | None = None, deadline: float | None = None
    ) -> Exit:
        """Wait until a container has ended and every byte of its output was given to `output` (once, if attached)."""

    def kill(self, container: str) -> None:
        """End what runs in a container, at once; the container stays, and can be read. One that has ended is fine."""

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

    def walk(self, container: str, patterns: Sequence[str], *, check: Check) -> Iterator[Entry]:
        """Give what matches a glob, or lies in a folder that does, one after the other as a stream; as `read` sees it.

        Folders themselves are left out. What matches patterns that begin in several folders comes once for each.
        """

    def sweep(self) -> None:
        """Take away what was laid out on this machine for builds whose processes were killed."""

    def objects(self, labels: Mapping[str, str]) -> Sequence[Object]:
        """List the containers and networks of farms that carry these labels, in the order of safe removal."""

    def remove(self, kind: Kind, name: str) -> None:
        """Kill (never stop) and remove an object, a container with its unnamed volumes; one that is gone is fine."""
