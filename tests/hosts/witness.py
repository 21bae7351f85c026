"""Who watches a storm: what `latest` was at every moment, which steps were hit, what is left behind."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
from redis.exceptions import RedisError

from farm.logs import Logs
from farm.pipeline import Pipeline, Status
from tests.hosts import engines
from tests.hosts.estate import Estate, Repository
from tests.hosts.machines import Machine

LATE = 5.0  # s for which a write that was let loose late may stand
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass
class Hit:
    """A running step whose worker was hit by a fault."""

    fault: str
    number: int
    step: str
    fence: str
    at: float
    after: float | None = None
    again: bool = False


@dataclass
class Witness:
    """Samples the registry every 100 ms and the hit steps; keeps what it saw for the verdict."""

    farm: Estate
    repositories: Sequence[Repository]
    hits: list[Hit] = field(default_factory=list)
    seen: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to watch."""
        self.seen = {repository.name: [] for repository in self.repositories}
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._sample_tags, self._follow_hits)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def hit(self, fault: str, worker: str) -> None:
        """Write down which steps a worker has at the moment when something happens to it."""
        with contextlib.suppress(RedisError), self.farm.redis() as connection:
            for member in [
                one for key in connection.scan_iter("farm:running:*") for one in connection.zrange(key, 0, -1)
            ]:
                number, step = member.split(" ", 1)
                owner, fence = connection.hmget(f"farm:pipeline:{number}:step:{step}", "worker", "fence")
                if owner == worker:
                    self.hits.append(Hit(fault, int(number), step, fence, time.monotonic()))

    def _follow_hits(self) -> None:
        while not self._over.wait(0.1):
            with contextlib.suppress(RedisError), self.farm.redis() as connection:
                for hit in [one for one in self.hits if one.after is None]:
                    fence, status = connection.hmget(f"farm:pipeline:{hit.number}:step:{hit.step}", "fence", "status")
                    if fence != hit.fence or Status(status).final:
                        hit.after, hit.again = time.monotonic() - hit.at, fence != hit.fence

    def _sample_tags(self) -> None:
        with httpx.Client(timeout=1, headers={"Accept": MANIFEST}) as client:
            while not self._over.wait(0.1):
                for repository in self.repositories:
                    with contextlib.suppress(httpx.HTTPError):
                        answer = client.head(f"http://{self.farm.registry}/v2/{repository.name}/manifests/latest")
                        if answer.status_code == 200:
                            digest = answer.headers["Docker-Content-Digest"]
                            self.seen[repository.name].append((time.monotonic(), digest))

    def recoveries(self) -> list[float]:
        """Return how long hit steps took to run again elsewhere, sorted."""
        return sorted(hit.after for hit in self.hits if hit.after is not None and hit.again)

    def wrongs(self) -> list[str]:
        """Return everything that the promises forbid and that was seen or is there now."""
        found: list[str] = []
        for repository in self.repositories:
            pipelines = self.farm.record().pipelines(repository=repository.name, limit=10000)
            found += unaccounted(repository, pipelines)
            found += disordered(self.farm, repository, pipelines)
            found += backwards(repository, pipelines, self.seen[repository.name])
            found += lost_logs(self.farm, pipelines)
            found += [f"{repository.name}: {path.name} is still in the spool" for path in repository.spooled()]
        found += unfinished(self.farm)
        for machine in self.farm.builders.values():
            found += [f"left behind on {machine.name}: {thing}" for thing in leftovers(self.farm, machine)]
            found += [
                f"{name} of {machine.name} has ended by itself" for name in machine.processes if machine.ended(name)
            ]
        return found


def unaccounted(repository: Repository, pipelines: Sequence[Pipeline]) -> list[str]:
    """Compare git's own list of pushes with the pipelines: one each, final, with the result that the commit says."""
    found = []
    commits = Counter(pipeline.commit for pipeline in pipelines)
    pushes = Counter(new for _, new in repository.reflog())
    found += [
        f"{repository.name}: push of {new[:7]} has {commits[new]} pipelines" for new in pushes if commits[new] != 1
    ]
    found += [f"{repository.name}: pipeline for {commit[:7]} that nobody pushed" for commit in commits - pushes]
    for pipeline in pipelines:
        wanted = {Status.FAILED} if "must fail" in pipeline.subject else {Status.PASSED, Status.SUPERSEDED}
        if pipeline.status not in wanted | {Status.ERRORED} or "an error of its own" in str(pipeline.reason):
            found.append(
                f"{repository.name}: #{pipeline.number} {pipeline.subject!r} ended {pipeline.status}: {pipeline.reason}"
            )
    return found


def disordered(farm: Estate, repository: Repository, pipelines: Sequence[Pipeline]) -> list[str]:
    """Compare the order that the record gives to the pushes with git's own."""
    with farm.redis() as connection:
        numbers = [int(number) for number in connection.zrange(f"farm:ref:{repository.name}:refs/heads/main", 0, -1)]
    commits = {pipeline.number: pipeline.commit for pipeline in pipelines}
    known = [commits.get(number, "") for number in numbers]
    wanted = [new for _, new in repository.reflog()]
    if known == wanted:
        return []
    first = next((place for place, pair in enumerate(zip(known, wanted, strict=False)) if pair[0] != pair[1]), "last")
    return [f"{repository.name}: the record has the pushes in another order than git, from the {first} on"]


def unfinished(farm: Estate) -> list[str]:
    """List what the record still waits for."""
    found = []
    with farm.redis() as connection:
        for key in ("farm:deadlines", "farm:undispatched", *connection.scan_iter("farm:running:*")):
            found += [f"{key} still has {entry}" for entry in connection.zrange(key, 0, -1)]
    return found


def backwards(repository: Repository, pipelines: Sequence[Pipeline], seen: Sequence[tuple[float, str]]) -> list[str]:
    """Find moments when `latest` was untested, or older than before for longer than a late write may stand."""
    order = {new: place for place, (_, new) in enumerate(repository.reflog())}
    places = {
        pipeline.image.rpartition("@")[2]: order.get(pipeline.commit, -1)
        for pipeline in pipelines
        if pipeline.image and all(stage.status is Status.PASSED for stage in pipeline.stages if stage.name == "test")
    }
    found, newest, since = set(), -1, None
    for at, digest in seen:
        place = places.get(digest)
        if place is None:
            found.add(f"{repository.name}: latest was {digest[:19]}, which no test has passed")
        elif place >= newest:
            newest, since = place, None
        elif since is None:
            since = at
        elif at - since > LATE:
            found.add(f"{repository.name}: latest stood at push {place} after {newest} for more than {LATE:g} s")
    passed = [order[one.commit] for one in pipelines if one.status is Status.PASSED and one.commit in order]
    last = places.get(seen[-1][1]) if seen else None
    if passed and last != max(passed):
        found.add(f"{repository.name}: latest is push {last}, the newest that passed is {max(passed)}")
    return sorted(found)


def lost_logs(farm: Estate, pipelines: Sequence[Pipeline]) -> list[str]:
    """Find test jobs that ran to their end and whose log does not say so, or lacks an attempt."""
    logs = Logs(farm.redis())
    found = []
    for pipeline in pipelines:
        for job in [job for stage in pipeline.stages if stage.name == "test" for job in stage.jobs]:
            if job.status in (Status.PASSED, Status.FAILED):
                text = "".join(logs.text(pipeline.number, job.name))
                last = text.rpartition("--- attempt ")[2]
                if "test begins" not in last or "test ends" not in last or not last.startswith(f"{job.attempts} "):
                    found.append(
                        f"#{pipeline.number} {job.name} {job.status}: the log of its last attempt is not whole"
                    )
    logs.close()
    return found


def leftovers(farm: Estate, machine: Machine) -> list[str]:
    """List what the farm has left on an engine."""
    if not engines.answers(machine):
        return ["an engine that does not answer"]
    mine = ["--filter", f"label=farm.id={farm.farm_id}"]
    found = engines.docker(machine, "ps", "-a", "-q", *mine).split()
    found += engines.docker(machine, "network", "ls", "-q", *mine).split()
    return found + engines.docker(machine, "volume", "ls", "-q", *mine).split()
