"""A real Flower on a real Redis, pipelines made through the record, and a real browser."""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from playwright.sync_api import Browser, Page, sync_playwright

from farm.ledger import Ledger
from farm.logs import Logs, LogWriter
from farm.pipeline import Status, Step
from farm.push import Push
from farm.record import Claim, Record, WorkerInfo

ROOT = Path(__file__).parents[3]
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
STEPS = (
    Step("build", "build", (), "build"),
    Step("test", "test", ("build",), "test"),
    Step("release", "release", ("test",), "release"),
)


@dataclass
class Farm:
    """Makes pipelines as the dispatcher and the workers do, through the record."""

    url: str
    client: "redis.Redis"
    record: Record = field(init=False)
    ledger: Ledger = field(init=False)
    logs: Logs = field(init=False)

    def __post_init__(self) -> None:
        self.record, self.ledger, self.logs = Record(self.client), Ledger(self.client), Logs(self.client)

    def push(
        self,
        subject: str,
        *,
        repository: str = "thyme",
        ref: str = "refs/heads/main",
        author: str = "Ada Oyelaran",
        who: str = "ada",
        steps: Sequence[Step] = STEPS,
    ) -> int:
        if repository not in {known.name for known in self.ledger.repositories()}:
            self.ledger.register(repository, f"/srv/git/{repository}.git", "main", {})
        new = uuid.uuid4().hex + "0" * 8
        push = Push(
            str(uuid.uuid4()), repository, ref, self.client.get(f"test:{repository}:{ref}") or "0" * 40, new, who
        )
        self.client.set(f"test:{repository}:{ref}", new)
        (entry,) = self.ledger.enter(repository, [push])
        self.record.describe(entry.number, subject=subject, author=author)
        if steps:
            self.record.open(entry.number, definition="{}", steps=steps, image_repository=repository)
        return entry.number

    def claim(self, number: int, step: str, worker: str = "w1@c1") -> Claim:
        claim = self.record.claim(number, step, worker)
        assert claim.go, claim
        return claim

    def writer(self, claim: Claim) -> LogWriter:
        return self.logs.writer(claim.number, claim.step, claim.fence)

    def run(
        self,
        number: int,
        step: str,
        status: Status = Status.PASSED,
        *,
        log: str = "",
        reason: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        claim = self.claim(number, step)
        with self.writer(claim) as writer:
            writer.line(f"--- attempt {claim.attempt} on {claim.worker} ---")
            writer.write(log.encode())
        given = dict(result or {})
        if step == "build" and status is Status.PASSED:
            given |= {"image": f"127.0.0.1:5000/thyme@sha256:{'3f' * 32}", "image_id": f"sha256:{'ab' * 32}"}
        self.record.commit(claim, status, reason=reason, result=given)

    def worker(self, name: str = "w1@c1", queues: Sequence[str] = ("release", "test", "build"), **values: Any) -> None:
        self.record.beat(WorkerInfo(name, values.pop("host", "c1"), values.pop("slots", 4), queues=queues, **values))


@pytest.fixture
def farm(redis_server: Any, redis_client: "redis.Redis") -> Iterator[Farm]:
    farm = Farm(redis_server.url, redis_client)
    yield farm
    farm.logs.close()


Serve = Callable[..., str]


@pytest.fixture
def serve(farm: Farm, poll: Any, ports: Any, tmp_path: Path) -> Iterator[Serve]:
    """`serve("--read_only=True")` starts the stock Flower command with the farm's configuration; returns its address."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*options: str, prefix: str = "", python: str = sys.executable, **env: str) -> str:
        (port,) = ports(1)
        log = tmp_path / f"flower-{port}.log"
        command = [python, "-m", "celery", "-A", "farm.broker", "flower", f"--conf={ROOT}/config/flowerconfig.py"]
        command += ["--address=127.0.0.1", f"--port={port}", *options]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=tmp_path,
                env={**os.environ, "FARM_REDIS_URL": farm.url, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        processes.append(process)
        address = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{address}{prefix}/healthcheck").status_code == httpx.codes.OK
            return False

        poll(answers, deadline=30, every=0.1, what="Flower to answer")
        start.log = log  # type: ignore[attr-defined]
        return address + prefix

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def browser(need: Callable[..., str]) -> Iterator[Browser]:
    program = need("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def look(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`look(width=390, dark=True, javascript=False)` opens an empty page; a script error on it fails the test."""
    contexts, errors = [], []

    def open_page(*, width: int = 1280, dark: bool = False, javascript: bool = True, **more: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900 if width > 800 else 844},
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            **more,
        )
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("pageerror", errors.append)
        page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors
