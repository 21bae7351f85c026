"""A real Flower on a real Redis, pipelines made through the record, and a real browser."""

import contextlib
import hashlib
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
from playwright.sync_api import Browser, Page, expect, sync_playwright

from farm.ledger import Ledger
from farm.logs import Logs, LogWriter
from farm.pipeline import Status, Step
from farm.push import Push
from farm.record import Claim, Record, WorkerInfo
from tests.programs import Program, celery

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
            digest = hashlib.sha256(str(number).encode()).hexdigest()
            given |= {"image": f"127.0.0.1:5000/thyme@sha256:{digest}", "image_id": f"sha256:{'ab' * 32}"}
        self.record.commit(claim, status, reason=reason, result=given)

    def worker(self, name: str = "w1@c1", queues: Sequence[str] = ("release", "test", "build"), **values: Any) -> None:
        self.record.beat(WorkerInfo(name, values.pop("host", "c1"), values.pop("slots", 4), queues=queues, **values))


@contextlib.contextmanager
def recorded(need: Any, ports: Any, poll: Any, folder: Path) -> Iterator[Farm]:
    (port,) = ports(1)
    command = [need("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with started(command, folder):
        url = f"redis://127.0.0.1:{port}/0"
        client = redis.Redis.from_url(url, decode_responses=True)
        poll(client.ping, what="Redis to answer")
        farm = Farm(url, client)
        yield farm
        farm.logs.close()
        client.close()


@pytest.fixture(scope="session")
def farm(need: Any, ports: Any, poll: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """One record for all these tests; each uses a repository of its own."""
    with recorded(need, ports, poll, tmp_path_factory.mktemp("redis")) as farm:
        yield farm


@pytest.fixture(scope="session")
def spare(need: Any, ports: Any, poll: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Another record, for tests that must not see what others left; whoever takes it empties it."""
    with recorded(need, ports, poll, tmp_path_factory.mktemp("redis")) as farm:
        yield farm


@pytest.fixture
def another_farm(spare: Farm) -> Farm:
    """A record that is empty when the test begins; `another_served` is Flower on it."""
    spare.client.flushdb()
    return spare


@contextlib.contextmanager
def started(command: Sequence[str], folder: Path, **env: str) -> "Iterator[subprocess.Popen[bytes]]":
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def forked(be: Callable[[], None], arguments: Sequence[str], folder: Path, **env: str) -> Iterator[Program]:
    """The same by a program whose packages are imported already."""
    with (folder / "log").open("wb") as log:
        process = Program(arguments, be=be, cwd=folder, env={**os.environ, **env}, log=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Served:
    """A running Flower: its address with the prefix, its port, and the file of its log."""

    url: str
    port: int
    process: "subprocess.Popen[bytes] | Program"
    file: Path

    @property
    def log(self) -> str:
        return self.file.read_text()


@contextlib.contextmanager
def flower(
    redis_url: str,
    folder: Path,
    port: int,
    poll: Any,
    *,
    options: Sequence[str] = (),
    prefix: str = "",
    stock: bool = False,
) -> Iterator[Served]:
    """Flower with the farm's configuration; `stock` has the command started as a shell does."""
    arguments = ["-A", "farm.broker", "flower", f"--conf={ROOT}/config/flowerconfig.py"]
    arguments += ["--address=127.0.0.1", f"--port={port}", *options]
    with contextlib.ExitStack() as stack:
        process: subprocess.Popen[bytes] | Program
        if stock:
            command = [sys.executable, "-m", "celery", *arguments]
            process = stack.enter_context(started(command, folder, FARM_REDIS_URL=redis_url))
        else:
            process = stack.enter_context(forked(celery, arguments, folder, FARM_REDIS_URL=redis_url))
        served = Served(f"http://127.0.0.1:{port}{prefix}", port, process, folder / "log")

        def answers() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{served.url}/healthcheck").status_code == httpx.codes.OK
            return process.poll() is not None

        poll(answers, deadline=60, every=0.1, what=f"Flower to answer {options}")
        assert process.poll() is None, served.log
        yield served


@pytest.fixture(scope="session")
def served(farm: Farm, poll: Any, ports: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Flower on the record that these tests share."""
    with flower(farm.url, tmp_path_factory.mktemp("flower"), ports(1)[0], poll) as served:
        yield served


@pytest.fixture(scope="session")
def another_served(spare: Farm, poll: Any, ports: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Flower on `another_farm`."""
    with flower(spare.url, tmp_path_factory.mktemp("flower"), ports(1)[0], poll) as served:
        yield served


@pytest.fixture
def serve(farm: Farm, poll: Any, ports: Any, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """`serve("--read_only=True", port=None, redis_url="", **more)` starts another Flower, with these options."""
    with contextlib.ExitStack() as stack:

        def serve(*options: str, port: int | None = None, redis_url: str = "", **more: Any) -> Served:
            running = flower(redis_url or farm.url, tmp_path, port or ports(1)[0], poll, options=options, **more)
            return stack.enter_context(running)

        yield serve


@pytest.fixture(scope="session")
def browser(need: Callable[..., str]) -> Iterator[Browser]:
    program = need("chromium", "chromium-browser", "google-chrome")
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        deaf = Path(__file__).with_name("deaf.py")
        environment = {**os.environ, "DEAF": program}
        browser = playwright.chromium.launch(executable_path=deaf, args=QUIET, env=environment)
        yield browser
        browser.close()


@contextlib.contextmanager
def looking(browser: Browser) -> Iterator[Callable[..., Page]]:
    contexts, errors = [], []

    def open_page(*, width: int = 1280, dark: bool = False, javascript: bool = True, **more: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900 if width > 800 else 844},
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            **more,
        )
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture
def look(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`look(width=390, dark=True, javascript=False)` opens an empty page; a script error on it fails the test."""
    with looking(browser) as look:
        yield look
