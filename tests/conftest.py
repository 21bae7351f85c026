"""Real parts for tests: a Redis, a registry, an engine, each the test's own, on free ports and gone with it.

Where a program is missing the test is skipped with the reason on a laptop, and fails where CI is set.
"""

import contextlib
import io
import os
import secrets
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import docker
import httpx
import hypothesis
import pytest
import redis
from docker.errors import DockerException, ImageNotFound

from tests.ports import free_ports

T = TypeVar("T")
Poll = Callable[..., Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run what is marked long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="takes long; tests/run --long runs it"))


# Chance is for `--long`: what runs before each merge tries the same examples every time, however slow the machine is.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("same")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--long"):
        hypothesis.settings.register_profile("long", deadline=None, database=None)
        hypothesis.settings.load_profile("long")


@pytest.fixture(autouse=True, scope="session")
def patience() -> None:
    """Let requests of tests wait longer than httpx's five seconds: other tests keep the machine busy."""
    for kind in ("connect", "read", "write", "pool"):
        setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, kind, 60.0)


@pytest.fixture(autouse=True, scope="session")
def no_settings_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests away from a farm that runs on this machine."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith("FARM_")]:
        del os.environ[name]
    os.environ["FARM_HOME"] = str(tmp_path_factory.mktemp("farm-home"))
    yield
    os.environ.clear()
    os.environ.update(before)


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it where everything must be there."""
    if os.environ.get("CI"):
        pytest.fail(f"CI is set and {reason}", pytrace=False)
    pytest.skip(reason)


def program(*names: str) -> str:
    """Return the path of the first program that is there."""
    for name in names:
        if path := shutil.which(name):
            return path
    missing(f"the program {names[0]} is not installed")


def wait_until(condition: Callable[[], T], deadline: float = 60.0, every: float = 0.02, what: str = "") -> T:
    """Return what the condition returns once that is true; an exception of it counts as not yet, until the deadline."""
    end = time.monotonic() + deadline
    while True:
        last: Exception | None = None
        value: T | None = None
        try:
            value = condition()
        except Exception as error:  # noqa: BLE001 - whatever it is, it may go away
            last = error
        if value:
            return value
        if time.monotonic() >= end:
            message = f"{what or 'the condition'} was not met within {deadline} s"
            raise AssertionError(message) from last
        time.sleep(every)


@pytest.fixture(scope="session")
def poll() -> Poll:
    """`poll(condition, deadline=60.0, every=0.02, what="")` waits for a condition and returns its value."""
    return wait_until


@pytest.fixture(scope="session")
def ports() -> Callable[[int], Sequence[int]]:
    """`ports(2)` returns ports that nobody listens on."""
    return free_ports


@pytest.fixture(scope="session")
def need() -> Callable[..., str]:
    """`need("git")` returns the program's path, or skips (fails in CI)."""
    return program


class Server:
    """A program that a test may start, freeze, kill and start again; it ends with the test."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.command = command
        self.folder = folder
        self.env = env
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def ready(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={**os.environ, **(self.env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self.ready, what=f"{self.command[0]} to be ready")
        except AssertionError:
            self.kill()
            raise AssertionError(f"{self.command[0]} did not start: {self.log[-2000:]}") from None

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End it in good order."""
        if self.process:
            self.thaw()
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def freeze(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)


class RedisServer(Server):
    """A redis-server with AOF and noeviction, as the farm runs it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        command = [
            program("redis-server"),
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction"),
        ]
        super().__init__(command, folder)

    def client(self) -> "redis.Redis":
        """Return a new client that gives text; the caller closes it."""
        return redis.Redis.from_url(self.url, decode_responses=True)

    def ready(self) -> bool:
        with contextlib.closing(self.client()) as client:
            return bool(client.ping())


@pytest.fixture
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of the test's own: `.url .port .client() .kill() .start() .freeze() .thaw()`; `start` keeps the data."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), free_ports(1)[0])
    server.start()
    yield server
    server.kill()  # an end in good order takes longer than most tests, and nobody reads what it would write


@pytest.fixture
def redis_client(redis_server: RedisServer) -> Iterator["redis.Redis"]:
    """A client of the test's own Redis."""
    client = redis_server.client()
    yield client
    client.close()


class Registry(Server):
    """A docker-registry with its storage in a folder of the test's; `host` is how image names begin."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.url = f"http://{self.host}"
        config = folder / "registry.yml"
        config.write_text(
            "version: 0.1\nlog: {level: warn}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: {self.host}, secret: {secrets.token_hex(8)}}}\n"
        )
        super().__init__([program("docker-registry", "registry"), "serve", str(config)], folder)

    def ready(self) -> bool:
        return httpx.get(f"{self.url}/v2/").status_code == httpx.codes.OK


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry for the session: `.host .url`; a test that kills it takes `own_registry`."""
    server = Registry(tmp_path_factory.mktemp("registry"), free_ports(1)[0])
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry of this test alone."""
    server = Registry(tmp_path_factory.mktemp("registry"), free_ports(1)[0])
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def engine() -> Iterator["docker.DockerClient"]:
    """A client of the Docker Engine of this machine; what a test puts there it takes away again, and nothing else."""
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except DockerException:
        missing("no Docker Engine answers")
    yield client
    client.close()


@dataclass(frozen=True, slots=True)
class Images:
    """Names of small base images that are on the engine."""

    busybox: str


@pytest.fixture(scope="session")
def images(engine: "docker.DockerClient") -> Images:
    """Base images from the machine's own programs: a static busybox with all its applets, no network needed."""
    name = "farm-test/busybox:local"
    try:
        engine.images.get(name)
    except ImageNotFound:
        path = Path("/usr/bin/busybox") if Path("/usr/bin/busybox").exists() else Path(program("busybox"))
        applets = subprocess.run([str(path), "--list"], check=True, capture_output=True, text=True).stdout.split()
        engine.api.import_image_from_data(_root(path, applets), repository="farm-test/busybox", tag="local")
    return Images(busybox=name)


@pytest.fixture(scope="session")
def standins(engine: "docker.DockerClient") -> Mapping[str, str]:  # noqa: ARG001 - they are on it
    """The sample application's base images, `["python"]` and `["postgres"]`: real ones, or stand-ins, made once."""
    names = {"python": "python:3.12-slim", "postgres": "postgres:16"}
    done = subprocess.run(
        [str(Path(__file__).parents[1] / "deploy" / "standins.py"), *names.values()],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        missing(f"{' and '.join(names.values())} can be neither pulled nor made: {done.stderr.strip()}")
    return names


def _root(busybox: Path, applets: Sequence[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "tmp", "etc", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        tar.add(busybox, "bin/busybox")
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        users = b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(users)
        tar.addfile(entry, io.BytesIO(users))
    return buffer.getvalue()
