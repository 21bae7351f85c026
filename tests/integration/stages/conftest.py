"""A repository with commits and a workspace on the real engine and registry, for tests of stages without a broker."""

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from farm.definition import Definition
from farm.record import Claim
from farm.registry import Registry
from workers.docker import DockerEngine
from workers.engine import Limits, Owner
from workers.workspace import Workspace


class Repository:
    """A work tree whose commits the stages fetch."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self.url = str(self.tree)
        self.git("init", "-q", "-b", "main", str(self.tree), cwd=folder)

    def git(self, *command: str, cwd: Path | None = None) -> str:
        env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *who, *command], cwd=cwd or self.tree, env=env, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, files: Mapping[str, str]) -> str:
        for name, text in files.items():
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")


class Said:
    """A log that keeps what it hears."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def line(self, text: str) -> None:
        self.data += f"{text}\n".encode()

    @property
    def text(self) -> str:
        return self.data.decode(errors="replace")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def image_name(engine: Any, registry: Any) -> Iterator[str]:
    """Give a name for images that is the test's own; what has it is taken from the engine afterwards."""
    name = f"t{secrets.token_hex(4)}"
    yield name
    for image in engine.images.list(f"{registry.host}/{name}"):
        engine.images.remove(image.id, force=True)


@pytest.fixture
def farm_id() -> Iterator[str]:
    """Give the id of a farm that is the test's own; nothing of it may be left at the end."""
    farm = secrets.token_hex(6)
    yield farm
    left = DockerEngine().objects({"farm.id": farm})
    for item in left:
        DockerEngine().remove(item.kind, item.name)
    assert [item.name for item in left] == []


@pytest.fixture
def client(registry: Any) -> Iterator[Registry]:
    """Give a client of the registry."""
    with Registry(registry.host) as client:
        yield client


@pytest.fixture
def workspace(
    repository: Repository, said: Said, image_name: str, farm_id: str, client: Registry
) -> Iterator[Callable[..., Workspace]]:
    """Give a function that lays out a workspace; what it leaves is torn down with the test."""
    with ExitStack() as stack:

        def lay_out(commit: str, definition: Definition | None = None, **other: Any) -> Workspace:
            step = other.pop("step", "build")
            claim = Claim(
                verdict="go",
                number=7,
                step=step,
                worker="w1@here",
                stage=step.partition("/")[0],
                fence=3,
                attempt=1,
                repository="thyme",
                url=repository.url,
                ref="refs/heads/main",
                commit=commit,
                image_repository=image_name,
                image=other.pop("image", None),
            )
            values = {
                "claim": claim,
                "definition": definition or Definition(),
                "engine": DockerEngine(),
                "registry": client,
                "log": said,
                "check": lambda: None,
                "guard": lambda: None,
                "owner": Owner(farm_id, 7, step, 3, 2_000_000_000),
                "home": repository.tree.parent / "home",
                "limits": Limits(memory=256 << 20, cpus=1.0, pids=64),
                "teardown": stack,
            }
            return Workspace(**(values | other))

        yield lay_out
