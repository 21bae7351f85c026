"""A pipeline: one execution for one push, with a number. These are values; the record in Redis is what counts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from farm.refs import short

STAGES = ("build", "test", "release")


class Status(StrEnum):
    """Where a pipeline, stage or job stands. `failed` is the pushed code's fault, `errored` the farm's."""

    PENDING = "pending"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    CANCELED = "canceled"
    SKIPPED = "skipped"
    SUPERSEDED = "superseded"

    @property
    def final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in (Status.PENDING, Status.RUNNING)


@dataclass(frozen=True, slots=True)
class Step:
    """One unit that a worker claims: the build, one job of the test stage, or the release. It says who is before it."""

    name: str
    stage: str
    needs: Sequence[str] = ()
    queue: str = ""
    skip: str = ""  # why it is skipped from the beginning
    priority: int = 0  # by how much the repository has on its way, 0 goes first, 9 last


@dataclass(frozen=True, slots=True)
class Job:
    """How one step stands: the worker, the attempts and the reason are those of its newest attempt."""

    name: str
    status: Status
    worker: str | None = None
    attempts: int = 0
    reason: str | None = None
    ready: float | None = None
    started: float | None = None
    finished: float | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    allowed: bool = False
    """Whether it has failed and its definition lets the stage pass all the same."""

    @property
    def counts(self) -> Status:
        """What it counts as for its stage, for what needs it, and for the release."""
        return Status.PASSED if self.allowed else self.status

    @property
    def flaky(self) -> bool:
        """Whether it passed at a later try."""
        return self.status is Status.PASSED and bool(self.result.get("tries"))

    @property
    def broken(self) -> bool:
        """Whether it broke its stage."""
        return self.counts in (Status.FAILED, Status.ERRORED)


@dataclass(frozen=True, slots=True)
class Stage:
    """How one stage stands, summed up over its jobs."""

    name: str
    status: Status
    started: float | None = None
    finished: float | None = None
    jobs: Sequence[Job] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """How one pipeline stands; times are Unix seconds. `stages` is empty when no stage was ever to run."""

    number: int
    repository: str
    ref: str
    commit: str
    subject: str
    author: str
    who: str
    status: Status
    reason: str | None
    created: float
    started: float | None
    finished: float | None
    image: str | None
    released: Sequence[str]
    stages: Sequence[Stage]
    round: int = 1
    """How often it was opened: every retry counts one."""
    retried_by: str | None = None
    """Who opened the newest round, None for the first."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the push gave its jobs."""
    by_hand: bool = False
    """Whether nobody pushed it: `who` asked for it by hand, or is a schedule."""
    email: str = ""
    """The author's address as the commit has it; nobody has checked whose it is."""
    notes: Sequence[str] = ()
    """Lines about what goes on beside it, such as a story that a tracker does not know."""

    @property
    def branch(self) -> str:
        """The branch, tag or pull request by its short name."""
        return short(self.ref)

    @property
    def jobs(self) -> Sequence[Job]:
        """The jobs of all stages, in their order."""
        return [job for stage in self.stages for job in stage.jobs]

    def document(self, *, jobs: bool = True) -> dict[str, Any]:
        """Return the JSON that `farm show --json` prints; without jobs it is an element of `farm list --json`.

        The author's address is for reporters alone and not in it.
        """
        document = asdict(self)
        del document["email"]
        for stage in document["stages"]:
            if not jobs:
                del stage["jobs"]
        return document


def step_name(job: str) -> str:
    """Return the name of a job's step; the one of a job called `test`, as the unnamed one is, is `test` alone."""
    return "test" if job == "test" else f"test/{job}"


def job_name(step: str) -> str:
    """Return the name of the job that a step of the test stage stands for."""
    return step.removeprefix("test/")


def sum_up(statuses: Sequence[Status]) -> Status:
    """Return the status of a stage from what its jobs count as; the worst final one counts once all are final."""
    if not statuses:
        return Status.SKIPPED
    if all(status.final for status in statuses):
        worst = (Status.ERRORED, Status.FAILED, Status.CANCELED, Status.SUPERSEDED, Status.PASSED, Status.SKIPPED)
        return next(status for status in worst if status in statuses)
    idle = all(status is Status.PENDING for status in statuses)
    return Status.PENDING if idle else Status.RUNNING


def told_apart(tests: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """Return the names of failing tests as the record has them, with their suite where two suites share a name."""
    suites: dict[str, set[str]] = {}
    for test in tests:
        suites.setdefault(str(test.get("name")), set()).add(str(test.get("suite") or ""))
    shared = {name for name, of in suites.items() if len(of) > 1}
    names = [(str(test.get("name") or "?"), test.get("suite")) for test in tests]
    return [f"{suite}::{name}" if suite and name in shared else name for name, suite in names]
