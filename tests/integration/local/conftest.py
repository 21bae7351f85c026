"""A clone with commits, and the real `farm` program in it: no farm, no Redis, only the engine."""

import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.programs import Program, Ran, run
from workers.docker import DockerEngine
from workers.engine import Object


@dataclass
class Here:
    """A clone; `here("--dirty")` is `farm run --dirty` in it."""

    folder: Path
    name: str
    home: Path
    busybox: str
    more: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "FARM_"))}
        fixed = {"FARM_HOME": str(self.home), "HOME": str(self.home.parent), "LC_ALL": "C.UTF-8"}
        return {**kept, **fixed, "GIT_CONFIG_GLOBAL": os.devnull, **self.more}

    @property
    def image(self) -> str:
        return f"farm-local/{self.name}"

    def git(self, *command: str) -> str:
        who = ("-c", "user.name=Ada", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *who, *command], cwd=self.folder, env=self.env, check=True, capture_output=True, text=True
        ).stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)

    def commit(self, definition: str | None = None, **files: str) -> str:
        """Commit a Dockerfile of busybox with these files in /src, and a definition."""
        base = {"Dockerfile": f"FROM {self.busybox}\nWORKDIR /src\nCOPY . .\n"}
        self.write(base | files | ({} if definition is None else {".farm.yml": definition}))
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "Fix VAT")
        return self.git("rev-parse", "HEAD")

    def start(self, *arguments: str) -> Program:
        """Start `farm run` as the leader of its own group, as a terminal does."""
        return Program(["run", *arguments], cwd=self.folder, env=self.env)

    def __call__(self, *arguments: str, cwd: Path | None = None) -> Ran:
        command = arguments if arguments[:1] == ("import",) else ("run", *arguments)
        return run(command, cwd=cwd or self.folder, env=self.env)

    def left(self) -> list[Object]:
        """Return what runs of this test's user and home have on the engine; only this test uses the name."""
        return [item for item in DockerEngine().objects({}) if item.owner.farm == self.farm_id]

    @property
    def farm_id(self) -> str:
        from workers.local.scratch import Scratch  # noqa: PLC0415

        return Scratch(self.home / "local" / "1", 1).farm_id


@pytest.fixture
def here(tmp_path: Path, images: Any, engine: Any) -> Iterator[Here]:
    """A clone on `main`; images of it and all else are taken away, and nothing may be left but the image."""
    name = f"t{secrets.token_hex(4)}"
    folder = tmp_path / name
    folder.mkdir()
    here = Here(folder, name, tmp_path / "home", images.busybox)
    here.git("init", "-q", "-b", "main")
    yield here
    left = here.left()
    for item in left:
        DockerEngine().remove(item.kind, item.name)
    names = [tag for image in engine.images.list(here.image) for tag in image.tags]
    for tag in names:
        engine.images.remove(tag, force=True)
    assert left == []
    assert [tag for tag in names if not tag.endswith(":latest")] == []
    assert not (here.home / "local").exists() or list((here.home / "local").iterdir()) == []
