"""One farm as `farm up` starts it, git servers beside it, and all who are told of a release as strict local fakes."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from farm.home import read_state
from farm.reporters.standing import Book
from tests import slack
from tests.conftest import wait_until
from tests.forges import PROJECT, SIGNING
from tests.gitserver import GitHttp
from tests.integration.test_forge_statuses import TOKEN, Fake
from tests.programs import FARM, run
from tests.receiver import Answer, Receiver, Request, receiving
from tests.slack import FakeSlack
from tests.trackers import TOKEN as TRACKER, V5

GIT = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")
MANIFESTS = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
STORIES = {1: "mint", 2: "mint", 3: "thyme", 4: "dill", 5: "dill"}
HOOKS = "/hooks/"


@dataclass
class Tracker(V5):
    """The strict tracker; it also writes down what `latest` was at the moment at which a story was moved."""

    registry: str = ""
    moved: list[tuple[int, str, str]] = field(default_factory=list)

    def _put(self, ident: int, content: Any) -> Answer:
        self.moved.append((ident, content.get("current_state"), self.latest(STORIES[ident])))
        return super()._put(ident, content)

    def latest(self, repository: str) -> str:
        """Return the digest that the registry itself has under `latest`, or nothing."""
        url = f"{self.registry}/v2/{repository}/manifests/latest"
        answer = httpx.head(url, headers={"Accept": MANIFESTS}, timeout=30)
        return answer.headers["Docker-Content-Digest"] if answer.is_success else ""


@dataclass
class Clone:
    """A bare repository and a clone of it, in which a person works."""

    bare: Path
    path: Path
    pipelines: Callable[[str], list[dict[str, Any]]]
    """Asks the farm for the pipelines of a repository."""

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            [*GIT, *arguments], cwd=self.path, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip() or done.stderr

    def commit(self, message: str, **files: str) -> str:
        """Commit these files (`farm_yml` is `.farm.yml`) and return the commit."""
        for name, text in files.items():
            (self.path / {"farm_yml": ".farm.yml"}.get(name, name)).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *options: str, branch: str = "main") -> int:
        """Push, wait for the pipeline's end, and return its number; a hook on a busy machine may not wait for it."""
        self.git("push", *options, str(self.bare), f"HEAD:refs/heads/{branch}")
        return self.ended(branch)

    def ended(self, branch: str = "main") -> int:
        """Wait for the end of the pipeline of what was pushed last, and return its number."""
        commit = self.git("rev-parse", "HEAD")

        def number() -> int:
            rows = [row for row in self.pipelines(self.bare.stem) if row["ref"] == f"refs/heads/{branch}"]
            return next((row["number"] for row in rows if row["commit"] == commit and row["finished"]), 0)

        return wait_until(number, 150, 0.2, f"the pipeline of {commit[:7]} to end")


@dataclass
class House:
    """The farm and whom it tells."""

    home: Path
    origin: GitHttp
    slack: FakeSlack
    tracker: Tracker
    gitlab: Receiver
    called: Receiver

    def farm(self, *arguments: str, given: str = "") -> str:
        """Run the program `farm` on this farm; return what it prints."""
        ran = run(arguments, env=self.environment, given=given.encode(), timeout=180)
        assert ran.code == 0, ran.out + ran.err
        return ran.out

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")}
        return {**kept, "FARM_HOME": str(self.home)}

    def clone(self, name: str) -> Clone:
        """Make an empty bare repository, and a clone of it."""
        bare, path = self.origin.folder / "acme" / f"{name}.git", self.home.parent / name
        subprocess.run([*GIT, "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
        subprocess.run([*GIT, "init", "-q", "-b", "main", str(path)], check=True)
        return Clone(bare, path, self.pipelines)

    def hooked(self, name: str) -> Clone:
        """Make one whose pushes the hook reports."""
        made = self.clone(name)
        self.farm("hook", "install", str(made.bare), "--timer", "none")
        return made

    def pipelines(self, repository: str) -> list[dict[str, Any]]:
        return list(self.asked("/pipelines", repository=repository))

    def asked(self, path: str, **query: str) -> Any:
        """Ask the API, which is faster than the program."""
        state = read_state(self.home)
        assert state
        with httpx.Client(headers={"Authorization": f"Bearer {state.token}"}, timeout=60) as client:
            return client.get(f"http://127.0.0.1:{state.api_port}{path}", params=query).raise_for_status().json()

    def untold(self, reporter: str) -> int:
        """Return how many events a reporter has yet to hear."""
        state = read_state(self.home)
        assert state
        with Redis.from_url(str(state.settings()["redis_url"]), decode_responses=True) as database:
            return Book(database, reporter).read().behind

    def latest_file(self, repository: str) -> Path:
        """Return where the registry keeps `latest`: a folder; with a file in its place it refuses that tag."""
        data = self.home / "registry" / "docker/registry/v2/repositories" / repository
        return data / "_manifests" / "tags" / "latest"

    def shown(self, number: int) -> dict[str, Any]:
        return dict(json.loads(self.farm("show", str(number), "--json")))


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, need: Any, engine: Any) -> Iterator[House]:  # noqa: ARG001 - for the worker
    need("redis-server")
    need("docker-registry", "registry")
    folder = tmp_path_factory.mktemp("whole")
    (folder / "srv" / "acme").mkdir(parents=True)
    (folder / "home").mkdir(mode=0o700)
    with ExitStack() as stack:
        house = House(
            folder / "home",
            stack.enter_context(GitHttp(folder / "srv", "deploy", TOKEN).serving()),
            stack.enter_context(slack.serving()),
            Tracker.of(*STORIES),
            stack.enter_context(receiving(Fake("gitlab"))),
            stack.enter_context(receiving(_take)),
        )
        tracker = stack.enter_context(receiving(house.tracker.judge))
        (house.home / "farm.yml").write_text(json.dumps(_settings(house, tracker.url)))
        stack.callback(house.farm, "up", "--stop")
        # As a shell starts it: the programs of this farm are real ones, only those that ask it are forked.
        subprocess.run([FARM, "up", "--detach"], env=house.environment, check=True, timeout=180)
        state = read_state(house.home)
        assert state
        house.tracker.registry = f"http://127.0.0.1:{state.registry_port}"
        yield house


def _take(request: Request) -> Answer:
    return Answer(204 if request.path.startswith(HOOKS) and request.headers.get("farm-delivery") else 404, b"")


def _settings(house: House, tracker: str) -> dict[str, Any]:
    def secret(name: str, text: str) -> dict[str, str]:
        file = house.home.parent / name
        file.touch(mode=0o600)
        file.write_text(text)
        return {"file": str(file)}

    token, signing = secret("gitlab", TOKEN), secret("signing", SIGNING)
    forge = {"kind": "gitlab", "project": PROJECT, "secret": signing, "token": token, "url": house.gitlab.url}
    return {
        "poll": 0,
        "slack": {"token": secret("slack", slack.TOKEN), "channel": "C2", "api": house.slack.api},
        "trackers": {
            "stories": {"kind": "pivotal", "url": tracker, "token": secret("tracker", TRACKER), "project": "99"}
        },
        "hook_urls": [house.called.url + HOOKS],
        "repositories": {"thyme": {"forge": forge, "git": {"user": "deploy", "token": token}}},
    }
