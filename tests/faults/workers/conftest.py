"""A farm without a dispatcher: Redis, registry and engine are real, workers are processes that a test may kill."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from farm.broker import unforked
from farm.cli.worker import celery
from farm.decision import decide
from farm.git import Commit
from farm.ledger import Ledger
from farm.logs import Logs
from farm.pipeline import Job, Pipeline, Step
from farm.push import ZERO, Push
from farm.record import Record
from farm.registry import Registry
from farm.settings import Settings
from tests.conftest import RedisServer, wait_until
from tests.faults.workers import programs
from tests.ports import free_ports
from tests.programs import Program
from workers.docker import DockerEngine

LEASE = 1.6


class Farm:
    """Repositories thyme and mint with an image each; what dispatcher and reaper do is done by the test's hand."""

    def __init__(self, folder: Path, redis_server: Any, registry: Any) -> None:
        self.folder, self.redis_server, self.image = folder, redis_server, f"t{secrets.token_hex(4)}"
        self.settings = Settings(
            home=folder / "home",
            farm_id=secrets.token_hex(6),
            redis_url=redis_server.url,
            registry=registry.host,
            slots=2,
            lease=LEASE,
        )
        keys = ("farm_id", "redis_url", "registry", "slots", "lease")
        self.env = {
            **os.environ,
            "FARM_HOME": str(folder / "home"),
            **{
                ("FARM_ID" if key == "farm_id" else f"FARM_{key.upper()}"): str(getattr(self.settings, key))
                for key in keys
            },
        }
        self.redis = redis_server.client()
        self.record, self.ledger, self.logs = Record(self.redis, LEASE), Ledger(self.redis), Logs(self.redis)
        self.registry, self.engine = Registry(registry.host), DockerEngine()
        self.last = ZERO
        self.processes: list[Program] = []
        self.workers: dict[str, Program] = {}
        self.tree = folder / "tree"
        self.git("init", "-q", "-b", "main", str(self.tree), cwd=folder)
        for name in ("thyme", "mint"):
            self.ledger.register(name, str(self.tree), "main", {})

    def git(self, *command: str, cwd: Path | None = None) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *who, *command], cwd=cwd or self.tree, check=True, capture_output=True, text=True
        ).stdout.strip()

    def push(self, files: Mapping[str, str], repository: str = "thyme") -> int:
        """Commit the files and open the pipeline; nobody is woken yet. All repositories are fed from one tree."""
        for name, text in files.items():
            (self.tree / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        old, self.last = self.last, self.git("rev-parse", "HEAD")
        push = Push(str(uuid.uuid4()), repository, "refs/heads/main", old, self.last)
        [entry] = self.ledger.enter(repository, [push])
        plan = decide(
            push,
            entry.number,
            Commit(self.last, "x", "a", "a@example.org", "x", 0),
            files[".farm.yml"].encode(),
            protected=True,
            date="2026-01-01",
        )
        self.record.open(
            entry.number,
            definition=plan.definition.model_dump_json(),
            steps=plan.steps,
            image_repository=self.image if repository == "thyme" else f"{self.image}/{repository}",
        )
        self.steps: Sequence[Step] = plan.steps
        return entry.number

    def wake(self, number: int, steps: Sequence[Step] | None = None) -> None:
        """Send one message for the whole chain, or for these steps."""
        self.send([(number, unforked(self.steps) if steps is None else steps)])

    def send(self, chains: Iterable[tuple[int, Sequence[Step]]]) -> None:
        """Send a message for each of these chains."""
        rows = [
            (number, [asdict(step) | {"priority": self.record.priority(number, step.name)} for step in steps])
            for number, steps in chains
        ]
        if rows:
            sent = Program((), be=programs.publisher, env=self.env, given=json.dumps(rows).encode())
            printed = sent.communicate()
            assert sent.returncode == 0, printed

    def worker(self, name: str = "w1", *, queues: str = "", **env: str) -> Program:
        """Start a worker with two slots in a process group of its own, on these queues or on all."""
        settings = self.settings.model_copy(update={"worker_name": f"{name}@here"})
        with (self.folder / f"{name}.log").open("ab") as log:
            process = Program(
                [*celery(settings)[1:], *(("--queues", queues) if queues else ())],
                be=programs.impatient,
                env={**self.env, "FARM_WORKER_NAME": settings.worker_name, "REMAP_SIGTERM": "SIGQUIT", **env},
                log=log,
            )
        self.processes.append(process)
        self.workers[settings.worker_name] = process
        return process

    def runner(self, number: int, step: str = "test") -> Program:
        """Return the worker that has a step."""
        return self.workers[str(self.job(number, step).worker)]

    def job(self, number: int, name: str) -> Job:
        """Return a job as the record has it."""
        return next(job for stage in self.record.pipeline(number).stages for job in stage.jobs if job.name == name)

    def kill(self, process: Program, sig: int = signal.SIGKILL) -> None:
        """Send a signal to the worker and all of its slots."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sig)

    def reap(self) -> None:
        """Do what the dispatcher's reaper does."""
        self.send([(wake.number, wake.steps) for wake in self.record.reap()])

    def ended(self, number: int) -> Pipeline | None:
        """Reap once and return the pipeline if it is over."""
        self.reap()
        pipeline = self.record.pipeline(number)
        return pipeline if pipeline.status.final else None

    def log(self, number: int, step: str) -> str:
        return "".join(self.logs.text(number, step))

    def left(self) -> list[str]:
        """Name what is left on the engine."""
        return [item.name for item in self.engine.objects({"farm.id": self.settings.farm_id})]

    def close(self) -> None:
        for process in self.processes:
            self.kill(process)
            process.wait()
        for item in self.engine.objects({"farm.id": self.settings.farm_id}):
            self.engine.remove(item.kind, item.name)
        for repository in self.engine.repositories(self.registry.address):
            if repository.startswith(f"{self.registry.address}/{self.image}"):
                for name, _ in self.engine.images(repository):
                    self.engine.remove_image(name)
        self.registry.close()
        self.redis.close()


@pytest.fixture
def farm(tmp_path: Path, redis_server: Any, registry: Any, images: Any) -> Iterator[Farm]:
    """Give a farm of the test's own; nothing of it is left afterwards. On failure the workers' logs are printed."""
    assert images
    with closed(Farm(tmp_path, redis_server, registry)) as farm:
        yield farm


@pytest.fixture(scope="package")
def kept(tmp_path_factory: pytest.TempPathFactory, registry: Any, images: Any) -> Iterator[Farm]:
    """Give the farm of `pair`, which its tests share."""
    assert images
    server = RedisServer(tmp_path_factory.mktemp("redis"), free_ports(1)[0])
    server.start()
    with closed(Farm(tmp_path_factory.mktemp("farm"), server, registry)) as farm:
        yield farm
    server.stop()


@pytest.fixture
def pair(kept: Farm) -> Iterator[Farm]:
    """Give a farm with two idle workers, w1 and w2, for a test that leaves them as they were."""
    for name in ("w1", "w2"):
        if f"{name}@here" not in kept.workers or kept.workers[f"{name}@here"].poll() is not None:
            kept.worker(name)
    wait_until(lambda: len(kept.record.workers()) == 2, what="both workers to be heard")
    yield kept
    for pipeline in kept.record.pipelines(limit=10):
        if not pipeline.status.final:  # of a test that has failed
            kept.record.cancel(pipeline.number, "the next test")


@contextlib.contextmanager
def closed(farm: Farm) -> Iterator[Farm]:
    """Let nothing of a farm be left, and show its workers' logs."""
    try:
        yield farm
    finally:
        farm.close()
        for log in sorted(farm.folder.glob("*.log")):
            sys.stderr.write(f"==> {log.name}\n{log.read_text(errors='replace')[-6000:]}")


@pytest.fixture
def files(images: Any) -> Callable[..., dict[str, str]]:
    """Give a function for the files of a small repository whose test runs a script."""

    def files(script: str, more: str = "") -> dict[str, str]:
        lines = "\n".join(f"    {line}" for line in script.splitlines())
        definition = f"test:\n  script: |\n{lines}\n{more}"
        return {"Dockerfile": f"FROM {images.busybox}\nCOPY . /app\nWORKDIR /app\n", ".farm.yml": definition}

    return files
