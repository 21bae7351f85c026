"""From a webhook of GitLab to a released image and its statuses: a whole farm, and a git server that wants a token."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from farm.home import read_state
from tests import forges
from tests.forges import PROJECT, SIGNING, ZERO
from tests.gitserver import GitHttp
from tests.integration.test_forge_statuses import TOKEN, Fake
from tests.receiver import Receiver, receiving

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine]

FARM = str(Path(sys.executable).parent / "farm")
GIT = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def farm(home: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")}
    done = subprocess.run(
        [FARM, *arguments],
        env={**environment, "FARM_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[GitHttp]:
    folder = tmp_path / "srv" / "acme"
    folder.mkdir(parents=True)
    subprocess.run([*GIT, "init", "-q", "--bare", "-b", "main", str(folder / "thyme.git")], check=True)
    with GitHttp(tmp_path / "srv", "deploy", TOKEN).serving() as server:
        yield server


@pytest.fixture
def gitlab() -> Iterator[Receiver]:
    with receiving(Fake("gitlab")) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, need: Any, origin: GitHttp, gitlab: Receiver) -> Iterator[Path]:
    need("redis-server")
    need("docker-registry", "registry")
    home, token, signing = tmp_path / "home", tmp_path / "token", tmp_path / "signing"
    home.mkdir(mode=0o700)
    token.write_text(TOKEN)
    signing.write_text(SIGNING)
    forge = {"kind": "gitlab", "project": PROJECT, "secret": {"file": str(signing)}, "token": {"file": str(token)}}
    thyme = {"forge": forge | {"url": gitlab.url}, "git": {"user": "deploy", "token": {"file": str(token)}}}
    (home / "farm.yml").write_text(json.dumps({"poll": 0, "repositories": {"thyme": thyme}}))
    farm(home, "up", "--detach")
    farm(home, "register", "thyme", f"{origin.url}/acme/thyme.git")
    yield home
    farm(home, "up", "--stop")


def test_a_webhook_ends_with_a_released_image(
    *, tmp_path: Path, home: Path, origin: GitHttp, gitlab: Receiver, images: Any, poll: Any
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "Dockerfile").write_text(f"FROM {images.busybox}\nCOPY hello /hello\n")
    (work / ".farm.yml").write_text("test: grep -q thyme /hello\n")
    (work / "hello").write_text("thyme\n")
    push = ("push", "-q", str(tmp_path / "srv/acme/thyme.git"), "HEAD:refs/heads/main")
    for command in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "Fix VAT"), push):
        subprocess.run([*GIT, *command], cwd=work, check=True, capture_output=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=work, check=True, capture_output=True, text=True)
    commit, state = head.stdout.strip(), read_state(home)
    assert state
    headers, body = forges.gitlab_signed("Push Hook", forges.gitlab_push(ZERO, commit), time.time())
    url = f"http://127.0.0.1:{state.api_port}/webhooks/gitlab"
    assert httpx.post(url, content=body, headers=headers, timeout=30).status_code == 202

    released = poll(lambda: json.loads(farm(home, "releases", "--json")), deadline=120, every=0.5)
    assert [(each["tag"], each["ref"], each["number"]) for each in released] == [("latest", "refs/heads/main", 1)]
    fake: Any = gitlab.judge
    stages = ("farm/build", "farm/test", "farm/release")
    poll(lambda: [fake.states(name)[-1] for name in stages] == ["success"] * 3, deadline=120)
    assert not any(TOKEN in words for words in origin.commands)
    logs = "".join(path.read_text(errors="replace") for path in (home / "logs").iterdir())
    assert TOKEN not in logs
    assert SIGNING not in logs
