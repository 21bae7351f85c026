"""A worker with an empty engine builds with the layers that another one has made, by way of the registry."""

import json
import secrets
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from farm.definition import Definition
from farm.record import Claim
from farm.registry import Registry
from tests.hosts import engines
from tests.hosts.estate import Estate
from tests.hosts.machines import Machine, network, until
from workers import build
from workers.docker import DockerEngine
from workers.engine import Owner
from workers.workspace import Workspace

pytestmark = [pytest.mark.engine, pytest.mark.registry]
BUSYBOX = "FROM scratch\nCOPY busybox /bin/busybox\n"
CHANCE = 'RUN ["/bin/busybox", "sh", "-c", "busybox head -c 64 /dev/urandom > /chance"]\n'
DOCKERFILE = f"{BUSYBOX}{CHANCE}COPY note /note\n"


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    with network(tmp_path_factory.mktemp("machines")) as net:
        centre, first, second = (net.machine(name) for name in ("centre", "first", "second"))
        estate = Estate(net, centre)
        estate.start_registry()
        for machine in (first, second):
            engines.start(machine, estate.registry)
        yield estate.registry, first, second


class Log:
    """It keeps nothing."""

    def write(self, data):
        pass

    def line(self, text):
        pass


class Repository:
    """A work tree whose commits are built on one machine or another."""

    def __init__(self, folder: Path, registry: str) -> None:
        self.folder, self.registry = folder, registry
        self.image = f"t{secrets.token_hex(4)}"
        self.git("init", "-q", "-b", "main", ".")
        (folder / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
        (folder / "busybox").chmod(0o755)
        (folder / "Dockerfile").write_text(DOCKERFILE)

    def git(self, *command: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *who, *command], cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def built(self, machine: Machine, ref: str) -> list[str]:
        """Commit a change, build it on a machine, and return the digests of the image's layers."""
        (self.folder / "note").write_text(secrets.token_hex(8))
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")
        claim = Claim(
            "go",
            7,
            "build",
            "w1@here",
            stage="build",
            fence=3,
            attempt=1,
            repository=self.image,
            url=str(self.folder),
            default_branch="main",
            ref=ref,
            commit=self.git("rev-parse", "HEAD"),
            image_repository=self.image,
        )
        with ExitStack() as teardown, Registry(self.registry, plain=True) as client:
            work = Workspace(
                claim=claim,
                definition=Definition(),
                engine=DockerEngine(engines.socket(machine)),
                registry=client,
                log=Log(),
                check=lambda: None,
                guard=lambda: None,
                owner=Owner(secrets.token_hex(6), 7, "build", 3, 2_000_000_000),
                home=self.folder.parent / f"home-{machine.name}",
                teardown=teardown,
            )
            image = build.run(work).document()["image"]
            found = json.loads(engines.docker(machine, "image", "inspect", image))
            return found[0]["RootFS"]["Layers"]


def emptied(machine):
    engines.docker(machine, "system", "prune", "--all", "--force")
    until(lambda: not engines.docker(machine, "images", "--quiet").strip(), 60, "the engine has no image")
    return machine


def test_an_empty_engine_takes_layers_of_the_ref_or_the_default_branch(tmp_path, machines):
    registry, first, second = machines
    (tmp_path / "tree").mkdir()
    repository = Repository(tmp_path / "tree", registry)

    main = repository.built(first, "refs/heads/main")
    of_default = repository.built(emptied(second), "refs/heads/new")
    own = repository.built(emptied(first), "refs/heads/new")

    assert main[:2] == of_default[:2] == own[:2]
    assert len({main[2], of_default[2], own[2]}) == 3


def test_the_builders_cache_has_a_limit(machines):
    """On an engine that has built, and which is the test's own, for the cache is the whole engine's."""
    _, first, _ = machines
    engine = DockerEngine(engines.socket(first))
    before = cache(first)
    engine.trim_cache(1 << 50)
    assert cache(first) == before != "0B"
    engine.trim_cache(0)
    assert cache(first) == "0B"


def cache(machine: Machine) -> str:
    listed = engines.docker(machine, "system", "df", "--format", "{{.Type}}={{.Size}}")
    return listed.partition("Build Cache=")[2].strip()
