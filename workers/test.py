"""The test stage: one job's script runs in the very image that was built, with its services beside it.

It does not judge what is tested: the script's exit code and the reports that it leaves do.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import IO, Any

from farm import split
from farm.definition import Job
from farm.errors import Errored, Failed
from farm.pipeline import Status, job_name
from workers import artifacts, bed, junit, reason, reports, secret_file, services, tries
from workers.engine import Check, ContainerSpec, Limits, NoProgram
from workers.mask import Mask, Stream
from workers.tree import END, gather
from workers.workspace import Outcome, Workspace

_CHUNK = 1 << 18


def run(work: Workspace) -> Outcome:
    """Run the job of the claimed step; the branch remembers what each of its tests did.

    Raises Failed for a job that cannot run, Errored when the engine is away.
    """
    return tries.run(work, job_of(work), _once)


def _once(work: Workspace) -> Outcome:
    place = prepare(work)
    return judge(work, place, start(work, place, place.job.script))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job's script runs: what it needs is on the engine, and its services are ready."""

    job: Job
    image: str
    network: str
    limits: Limits
    beside: Mapping[str, str]
    """The containers of the services by name."""


def prepare(work: Workspace, job: Job | None = None) -> Place:
    """Get the image and start the services, of the claimed job unless another is given; the teardown takes it away."""
    own, job = job is None, job or job_of(work)
    limits = work.granted(job.memory)
    image = job.image or work.claim.image or ""
    _fetch(work, job, image)
    shared = job.network == "shared"
    prepared = (bed.take(work) if own else None) or bed.make(work)
    beside = services.start(work, job.services, prepared.network, shared=shared, begun=prepared.services)
    network = f"container:{beside[next(iter(job.services))]}" if beside and shared else prepared.place
    return Place(job, image, network, limits, beside)


def judge(work: Workspace, place: Place, container: str) -> Outcome:
    """Wait for the script's end, or end it when its time is up, and say how it went; the container stays."""
    job, said = place.job, reason.LastLine(work.log.write)
    output = Stream(Mask(work.secrets.values()), said)
    try:
        deadline = time.monotonic() + job.timeout
        ended = work.engine.wait(container, check=work.check, output=output, deadline=deadline)
    except TimeoutError:
        work.engine.kill(container)
        ended = None
    finally:
        output.end()
    report = reports.tests(work, job, container)
    result: dict[str, Any] = {"exit": ended.code} if ended else {"timed_out": True}
    if report:
        changes = _changes(work, job, report)
        report = report.beginning_with(changes.get("new", {}).get("tests", ()))
        result["tests"] = report.document() | {"changes": changes}
    if covered := reports.coverage(work, job, container):
        result["coverage"] = covered.document()
    why = reason.of(ended, report, said.text, place.limits.memory) if ended else reason.late(job.timeout, report)
    if why:
        services.fallen(work, place.beside)
    outcome = Outcome(Status.FAILED if why else Status.PASSED, why, result)
    return artifacts.keep(work, job.artifacts, container, outcome)


def forgiven(job: Job, outcome: Outcome) -> Outcome:
    """Mark a failure that the definition allows; it is one all the same."""
    allow = job.allow_failure
    allowed = allow if isinstance(allow, bool) else outcome.result.get("exit") in allow
    if outcome.status is not Status.FAILED or not allowed:
        return outcome
    return replace(outcome, result={**outcome.result, "allowed": True})


def _fetch(work: Workspace, job: Job, image: str) -> None:
    """Have the image on this engine. That the farm's own is gone is not the pushed code's fault."""
    try:
        work.engine.pull(image, check=work.check, log=work.log.write)
    except Failed as error:
        if job.image is None:
            raise Errored(f"{image} is gone from the registry; push again to build it again") from error
        raise


def job_of(work: Workspace) -> Job:
    """Return the job of the claimed step."""
    try:
        return work.definition.jobs[job_name(work.claim.step)]
    except KeyError:
        raise Errored(
            f"the definition has no job for the step {work.claim.step}; the dispatcher is another version"
        ) from None


def environment(work: Workspace) -> Mapping[str, str]:
    """Return what every script is told about where it runs."""
    claim = work.claim
    told = {
        "CI": "true",
        "FARM": "true",
        "FARM_PIPELINE": str(claim.number),
        "FARM_STEP": claim.step,
        "FARM_ATTEMPT": str(claim.attempt),
        "FARM_TRY": str(work.turn),
        "FARM_REPOSITORY": claim.repository,
        "FARM_COMMIT": claim.commit,
        "FARM_REF": claim.ref,
        "FARM_IMAGE": claim.image or "",
    }
    for prefix, name in (("refs/heads/", "FARM_BRANCH"), ("refs/tags/", "FARM_TAG")):
        if claim.ref.startswith(prefix):
            told[name] = claim.ref.removeprefix(prefix)
    return told


def _share(job: Job) -> Mapping[str, str]:
    return {} if job.files is None else {"FARM_SHARD_FILES": "\n".join(job.files)}


@contextmanager
def _checkout(work: Workspace, folder: str | None) -> Iterator[Iterator[bytes] | None]:
    """Give the files of the commit as a tar that unpacks into the folder, or None without one."""
    if folder is None:
        yield None
        return
    with gather(work).stream(below=folder) as tree:
        yield _pieces(tree, work.check)


def _pieces(tree: IO[bytes], check: Check) -> Iterator[bytes]:
    while piece := tree.read(_CHUNK):
        check()
        yield piece


def start(work: Workspace, place: Place, script: Sequence[str], *, keep: bool = False) -> str:
    """Start a script where the job runs and return its container, which is gone with the teardown.

    With `keep` a shell that is opened in the container later finds the secrets, too.
    """
    spec = ContainerSpec(
        owner=work.owner,
        image=place.image,
        entrypoint=(),
        command=("sh", "-ec", "\n".join(script) if not work.secrets else _reading(script, keep=keep)),
        env={**environment(work), **_share(place.job), **place.job.env},
        network=place.network,
        directory=place.job.checkout,
        limits=place.limits,
        attach=True,
    )
    try:
        with _checkout(work, place.job.checkout) as tree:
            container = work.engine.start(spec, tree=_beside(work, tree))
    except NoProgram as error:
        raise Failed(
            "the image has no `sh`, which runs the script; add one, or give the test an image that has it"
        ) from error
    work.teardown.callback(work.engine.remove, "container", container)
    return container


def _beside(work: Workspace, tree: Iterator[bytes] | None) -> Iterator[bytes] | None:
    """Give what is unpacked into the container: the secrets, then the files of the commit."""
    if not work.secrets:
        return tree
    return chain(secret_file.tree(work.secrets), [END] if tree is None else tree)


def _reading(script: Sequence[str], *, keep: bool) -> str:
    empty = "" if keep else f"{secret_file.EMPTY}; "
    return f"{secret_file.READ}; {empty}" + "\n".join(script)


def _changes(work: Workspace, job: Job, report: junit.Report) -> Mapping[str, Any]:
    """Let the branch remember the report, and return what changed since its earlier pipelines."""
    # A test may go from one shard to another: the shards of a job remember together.
    return work.remember(split.group(work.claim.step, job.env.get("FARM_SHARD")), report.results)
