"""A dispatcher as a process of its own, and bare repositories with the real hook that many people push to at once."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from farm.cli import installing
from farm.cli.bare import Bare
from farm.client import Client
from farm.ledger import Ledger
from farm.record import Record
from tests.programs import Program

TOKEN = "admin-token"
KILLED = "#!/bin/sh\nkill -9 $$\n"
Line = tuple[str, str]


class Repository:
    """A bare repository and the clones that push to it."""

    def __init__(self, farm: "Farm", name: str, clones: int) -> None:
        self.farm, self.name = farm, name
        self.bare = farm.folder / f"{name}.git"
        self.clones = [farm.folder / f"{name}-{number}" for number in range(clones)]
        farm.git("init", "-q", "--bare", "-b", "main", str(self.bare), where=farm.folder)
        for clone in self.clones:
            farm.git("init", "-q", "-b", "main", str(clone), where=farm.folder)
            (clone / ".farm.yml").write_text("test: make check\n")
            farm.git("add", ".farm.yml", where=clone)

    def register(self) -> None:
        """Do what `farm hook install` does, without starting the program."""
        bare = Bare.find(self.bare)
        installing.prepare(bare)
        reflogs = bare.reflogs()
        with self.farm.client() as client:
            answer = client.register(self.name, str(self.bare), "main", bare.refs())
        settings = {"url": self.farm.url, "token": answer["token"], "repository": self.name}
        installing.install(bare, settings, answer["registered"], reflogs)

    @contextlib.contextmanager
    def hook(self, text: str | None) -> Iterator[None]:
        """Have another program, or none, for the hook."""
        path = self.bare / "hooks/post-receive"
        kept = path.read_bytes()
        path.unlink()
        if text:
            path.write_text(text)
            path.chmod(0o755)
        yield
        path.write_bytes(kept)
        path.chmod(0o755)

    def commit(self, clone: int = 0) -> str:
        folder = self.clones[clone]
        self.farm.git("commit", "-q", "--allow-empty", "-m", f"Change by {clone}", where=folder)
        return self.farm.git("rev-parse", "HEAD", where=folder)

    def push(self, what: str = "HEAD", ref: str = "refs/heads/main", clone: int = 0) -> None:
        """Push as long as another push is in the way."""
        while True:
            try:
                self.farm.git("push", "-q", "-f", str(self.bare), f"{what}:{ref}", where=self.clones[clone])
            except subprocess.CalledProcessError as error:
                if "cannot lock ref" not in error.stderr:
                    raise AssertionError(error.stderr) from error
                continue
            return

    def move(self, commit: str, ref: str = "refs/heads/main") -> None:
        """Let the ref be at a commit that is there, as a push without a hook would."""
        self.farm.git("update-ref", ref, commit, where=self.bare)

    def reflog(self, ref: str = "refs/heads/main") -> list[Line]:
        path = self.bare / "logs" / ref
        lines = path.read_text().splitlines() if path.exists() else []
        return [(old, new) for old, new, *_ in (line.split() for line in lines)]

    def order(self, ref: str = "refs/heads/main") -> list[Line]:
        """Return the pushes of a ref in the order of the ledger."""
        numbers = self.farm.redis.zrange(f"farm:ref:{self.name}:{ref}", 0, -1)
        pushes = [self.farm.ledger.push(int(number)) for number in numbers]
        return [(push.old, push.new) for push in pushes]

    def age(self, seconds: float = 60) -> None:
        """Let everything that happened in the repository be longer ago."""
        for path in (*(self.bare / "logs").rglob("*"), *(self.bare / "farm").rglob("*.json")):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and path.name != "hook.json":
                    then = path.stat().st_mtime - seconds
                    os.utime(path, (then, then))


class Farm:
    """One dispatcher over one Redis."""

    def __init__(self, folder: Path, redis_server: Any, client: Any, port: int, poll: Any) -> None:
        self.folder, self.redis_server, self.redis, self.poll = folder, redis_server, client, poll
        self.url = f"http://127.0.0.1:{port}"
        self.record, self.ledger = Record(client), Ledger(client)
        self.process: Program | None = None

    def git(self, *command: str, where: Path) -> str:
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        who = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        done = subprocess.run([*who, *command], cwd=where, env=env, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def start(self) -> None:
        mine = {"FARM_REDIS_URL": self.redis_server.url, "FARM_TOKEN": TOKEN, "FARM_URL": self.url}
        mine |= {"FARM_HOME": str(self.folder / "home"), "FARM_POLL": "0"}
        with (self.folder / "log").open("ab") as log:
            self.process = Program(["dispatcher"], env={**os.environ, **mine}, log=log)
        self.poll(lambda: httpx.get(f"{self.url}/health", timeout=2).status_code == 200)

    def kill(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def client(self) -> Client:
        return Client(self.url, TOKEN)

    def repositories(self, count: int, clones: int = 1) -> Sequence[Repository]:
        return [Repository(self, f"r{number:02}", clones) for number in range(count)]

    def pipelines(self) -> int:
        return int(self.redis.zcard("farm:pipelines"))

    def dispatched(self) -> bool:
        """Return whether a dispatcher has looked at every push."""
        return not self.ledger.undispatched()


@pytest.fixture
def farm(
    tmp_path: Path, redis_server: Any, redis_client: Any, ports: Callable[[int], Sequence[int]], poll: Any
) -> Iterator[Farm]:
    farm = Farm(tmp_path, redis_server, redis_client, ports(1)[0], poll)
    farm.start()
    yield farm
    farm.kill()
    for hook in tmp_path.glob("*.git/farm/hook.json"):
        hook.unlink()  # whoever stayed behind to deliver ends
