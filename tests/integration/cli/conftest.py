"""The real API over a real record, and the real `farm` program beside it."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from farm.access import Access
from farm.api import Service, create
from farm.artifacts import Store
from farm.dispatch import Dispatcher
from farm.garbage import Garbage
from farm.intake import Intake
from farm.registry import Registry
from farm.remotes import Remotes
from farm.settings import Settings
from farm.webhooks import Webhooks
from tests.programs import Program, Ran, run
from tests.records import Farm


@dataclass
class Cli:
    """`cli("list", "--json")` runs the program in a folder of the test's, with the settings of the test's farm."""

    folder: Path
    environment: Mapping[str, str]
    service: Service
    more: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "FARM_"))}
        return {**kept, "HOME": str(self.folder), "LC_ALL": "C.UTF-8", **self.environment, **self.more}

    def __call__(self, *arguments: object, cwd: Path | None = None, given: bytes = b"") -> Ran:
        return run(arguments, cwd=cwd or self.folder, env=self.env, given=given)

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        command = ["git", "-c", "user.name=Ada", "-c", "user.email=a@example.org", *arguments]
        done = subprocess.run(
            command, cwd=cwd or self.folder, env=self.env, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip() + done.stderr.strip()


def on_terminal(
    cli: Cli,
    arguments: Sequence[object],
    *,
    columns: int = 60,
    more: Mapping[str, str] | None = None,
    typed: bytes = b"",
) -> tuple[int, str]:
    """Run the program on a terminal of its own with what is typed there; return its exit code and what it draws."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**cli.env, "TERM": "xterm-256color", **(more or {})}
    environment.pop("COLUMNS", None)
    process = Program(arguments, cwd=cli.folder, env=environment, terminal=follower)
    os.close(follower)
    os.write(leader, typed)
    data = b""

    def read() -> None:
        nonlocal data
        while True:
            try:
                data += os.read(leader, 65536)
            except OSError:  # the other end is closed
                return

    thread = threading.Thread(target=read)
    thread.start()
    code = process.wait(60)
    thread.join()
    os.close(leader)
    return code, data.decode()


class Door:
    """A server on a port that gives what it is asked to the API of the test that runs."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.api: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert self.api, "somebody asks when no test runs"
        await self.api(scope, receive, send)


@pytest.fixture(scope="session")
def door(ports: Callable[[int], Sequence[int]], poll: Any) -> Iterator[Door]:
    """A server for all tests: to start one and to end it takes longer than most answers."""
    door = Door(ports(1)[0])
    server = uvicorn.Server(uvicorn.Config(door, interface="asgi3", port=door.port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    poll(lambda: server.started)
    yield door
    server.should_exit = True
    thread.join()


@pytest.fixture
def farm(redis_client: Any) -> Iterator[Farm]:
    """Record, ledger and logs, with a repository `thyme`."""
    farm = Farm(redis_client)
    yield farm
    farm.logs.close()


@pytest.fixture
def image_registry() -> str:
    """Where the API finds images; nobody is there unless a test says so."""
    return "127.0.0.1:9"


@pytest.fixture
def cli(
    *,
    farm: Farm,
    redis_server: Any,
    tmp_path: Path,
    door: Door,
    image_registry: str,
) -> Iterator[Cli]:
    """The program, and an API that answers it."""
    home = tmp_path / "home"
    home.mkdir()
    url = f"http://127.0.0.1:{door.port}"
    settings = Settings(home=home, url=url, redis_url=redis_server.url, token="all", web_url="http://farm.example")
    dispatcher = Dispatcher(farm.record, farm.ledger, settings, publish=lambda *_: None)
    intake = Intake(dispatcher)
    images = Registry(image_registry)
    garbage = Garbage(farm.record, images, "0" * 12, keep=1)
    remotes = Remotes(farm.ledger, intake, 0)
    rest = (Access("all", farm.ledger), garbage, remotes, Webhooks(farm.ledger, intake), Store(settings.artifacts_url))
    service = Service(settings, farm.record, farm.ledger, farm.logs, intake, *rest)
    door.api = create(service)
    variables = {"FARM_HOME": str(home), "FARM_URL": url, "FARM_TOKEN": "all", "FARM_WEB_URL": "http://farm.example"}
    yield Cli(tmp_path, variables, service)
    door.api = None
    intake.close()
    images.close()
