"""What a test lies in: its network, who holds a place in it, and its services. It runs no script.

A build prepares the bed of the test behind it, because that takes longer than what is left of the test then. Nothing
but the first attempt at that test, on the same worker, ever uses it; the record says so (Record.holds), and whoever
finds a bed that it denies takes it away: the build that fails, another attempt, the sweep.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import structlog

from farm.definition import Definition, Job
from farm.errors import Errored, Failed, LeaseLost
from workers import cleanup, services
from workers.workspace import Workspace

_logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Bed:
    """Names of objects on the engine. `holder` keeps the job's place in the network open; `services` were started."""

    network: str
    holder: str | None = None
    services: Mapping[str, str] = field(default_factory=dict)

    @property
    def containers(self) -> Sequence[str]:
        """All of its containers."""
        return (*((self.holder,) if self.holder else ()), *self.services.values())

    @property
    def place(self) -> str:
        """The network that the job's container gets."""
        return f"container:{self.holder}" if self.holder else self.network


def make(work: Workspace) -> Bed:
    """Make a bed with nothing in it but the network; it is taken away with the rest of the step."""
    network = work.engine.create_network(work.owner)
    work.teardown.callback(work.engine.remove, "network", network)
    return Bed(network)


def take(work: Workspace) -> Bed | None:
    """Return the bed that the build has prepared for this attempt, or None; one that may not be used is removed."""
    prepared = work.claim.results.get("build", {}).get("prepared")
    if not prepared:
        return None
    bed = Bed(prepared["network"], prepared["holder"], prepared["services"])
    if work.claim.attempt == 1 and work.turn == 1 and prepared["worker"] == work.claim.worker and _stands(work, bed):
        work.teardown.callback(cleanup.trim_images, work.engine, work.repository)
        work.teardown.callback(work.engine.remove, "network", bed.network)
        for container in bed.containers:
            work.teardown.callback(work.engine.remove, "container", container)
        return bed
    cleanup.remove_step(work.engine, replace(work.owner, step="build"))
    return None


def _stands(work: Workspace, bed: Bed) -> bool:
    try:
        return bool(bed.containers) and all(work.engine.state(each).exit is None for each in bed.containers)
    except Errored:
        return False  # gone: the engine was started anew, or it was swept while nobody had claimed the test


class Preparation:
    """Makes a bed in a thread, from entering to leaving. A fault of it is the test's to meet again and to tell."""

    def __init__(self, work: Workspace) -> None:
        self._job = _only(work.definition)
        self._left = threading.Event()
        self._made = ExitStack()
        self._bed: Bed | None = None
        self._work = replace(work, teardown=self._made, check=self._check)
        self._outer = work
        self._thread = threading.Thread(target=self._run, args=(self._job,), name="bed", daemon=True)

    def document(self) -> dict[str, Any]:
        """Wait for the bed and return what the build's result tells about it."""
        if self._thread.ident is not None:
            self._thread.join()
        return {"prepared": {"worker": self._outer.claim.worker, **asdict(self._bed)}} if self._bed else {}

    def __enter__(self) -> Self:
        if self._job is not None:
            self._outer.teardown.callback(self._end)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()

    def _end(self) -> None:
        """Take the bed away, unless it is left to the test by what the build has committed."""
        self._thread.join()
        if not self._outer.wanted():
            self._drop()

    def _check(self) -> None:
        self._outer.check()
        if self._left.is_set():
            raise LeaseLost("the build is over")

    def _run(self, job: Job) -> None:
        try:
            self._bed = self._lay(self._work, job)
        except (Errored, Failed, LeaseLost):
            self._drop()
        except Exception:
            _logger.exception("bed", pipeline=self._outer.claim.number)
            self._drop()

    def _drop(self) -> None:
        with suppress(Errored):  # the sweep takes the rest
            self._made.close()

    def _lay(self, work: Workspace, job: Job) -> Bed:
        shared = job.network == "shared"
        network: Future[str] = Future()
        begun: Mapping[str, str] = {}
        with ThreadPoolExecutor(1, thread_name_prefix="bed") as pool:
            holding = None if shared and job.services else pool.submit(self._hold, work, network)
            try:
                network.set_result(make(work).network)
            except BaseException as error:
                network.set_exception(error)
                raise
            if all(work.engine.image(service.image) for service in job.services.values()):  # no pull holds up a build
                begun = services.begin(work, job.services, network.result(), shared=shared)
            return Bed(network.result(), holding.result() if holding else None, begun)

    def _hold(self, work: Workspace, network: "Future[str]") -> str | None:
        holder = work.engine.hold(work.owner, network.result)
        if holder:
            self._made.callback(work.engine.remove, "container", holder)
        return holder


def _only(definition: Definition) -> Job | None:
    """Return the job that every worker serves and that alone follows the build."""
    jobs = tuple(definition.jobs.values())
    return jobs[0] if len(jobs) == 1 and not jobs[0].runs_on else None
