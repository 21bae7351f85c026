"""What a stage has at hand while it works for one claim, and what it gives back. It decides nothing."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Protocol

from farm import git
from farm.definition import Definition
from farm.definition.models import Artifacts
from farm.errors import Failed
from farm.pipeline import Status
from farm.record import Claim, TestResult
from farm.registry import Registry
from farm.settings import GitSettings
from workers.engine import Check, Engine, Limits, Owner

_WITHIN = 6 * 3600  # seconds that a step takes in all, the time aside that its jobs have by themselves


class Log(Protocol):
    """Where the output of a step goes, live."""

    def write(self, data: bytes) -> None:
        """Take some output as it comes."""

    def line(self, text: str) -> None:
        """Take one line of the farm's own words."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Where artifacts go: how many bytes of a job at most, and what sends a tar and says what the record keeps."""

    limit: int
    send: Callable[["Workspace", Artifacts, IO[bytes]], Mapping[str, Any]]


Remember = Callable[[str, Sequence[TestResult]], Mapping[str, Any]]  # the job's name, its results


@dataclass(frozen=True, slots=True)
class Workspace:
    """All that a stage works with. `check` raises when the work counts no more; a stage calls it at least every second.

    `guard` is called before an effect that is seen from outside; it waits until the claim is sure to hold.

    `remember` adds a job's test results to the memory of the branch and returns what changed.

    What a stage pushes onto `teardown` is taken away by the caller, after the outcome is committed.
    """

    claim: Claim
    definition: Definition
    engine: Engine
    registry: Registry
    log: Log
    check: Check
    guard: Check
    owner: Owner
    home: Path
    limits: Limits = field(default_factory=Limits)
    wanted: Callable[[], bool] = lambda: False
    """Whether what the step has made is wanted beyond its end, by the record."""
    teardown: ExitStack = field(default_factory=ExitStack)
    remember: Remember = lambda *_: {}
    owner_of: Callable[[str], str] = lambda _: ""
    """Whose releases have a tag of the image, by the record; "" for nobody's."""
    turn: int = 1
    """Which try of the job this is, from 1."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The values that the step is given, by name. The log hides them; what else comes out must be hidden."""
    hide: Callable[[str], str] = str
    """Return a text as it may be shown."""
    opened_by: GitSettings | None = None
    """What opens the repository for git on this machine."""

    keep: Keep | None = None
    """Where artifacts go; None where nobody keeps any."""

    @property
    def mirror(self) -> Path:
        """The bare mirror of the repository on this machine."""
        return git.mirror_path(self.home, self.claim.repository)

    @property
    def login(self) -> git.Login | None:
        """What git is told to open the repository; Errored where a secret cannot be read."""
        return git.login(self.opened_by)

    def granted(self, memory: int | None) -> Limits:
        """Return the limits of one container; a definition may ask for less than the farm gives, not more."""
        most = self.limits.memory
        if memory is None:
            return self.limits
        if most is not None and memory > most:
            asked, given = (f"{size / (1 << 20):.0f}m" for size in (memory, most))
            raise Failed(
                f"memory: {asked} is more than the {given} that this farm gives; ask for less or raise it there"
            )
        return replace(self.limits, memory=memory)

    @property
    def repository(self) -> str:
        """The full name of the image's repository, with the registry's host."""
        return f"{self.registry.address}/{self.claim.image_repository}"


def expiry(definition: Definition) -> int:
    """Return until when (Unix seconds) what a step makes on an engine may be wanted: as long as any of its pipeline.

    A build makes the bed of a test that runs for a day.
    """
    longest = max((job.timeout * (job.retry.max + 1) for job in definition.jobs.values()), default=0.0)
    return int(time.time() + _WITHIN + longest)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a stage ended and what it leaves in the record. A failing test is an outcome, not an error."""

    status: Status
    reason: str | None = None
    result: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return what the record keeps as the step's result."""
        return dict(self.result)
