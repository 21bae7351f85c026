"""The dispatcher as a process of its own, over a real Redis and real git, asked by the real client and by bare HTTP."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest

from farm.cli import output
from farm.client import Client
from farm.errors import Refused, Unreachable
from farm.logs import Logs
from farm.pipeline import Status
from farm.push import ZERO
from farm.record import Record
from tests import slack
from tests.programs import Program, run

pytestmark = pytest.mark.redis

TOKEN = "admin-token"
GIT = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")


class Running:
    """A dispatcher, its repository `thyme`, and the token of that one's hook."""

    def __init__(self, folder: Path, redis_url: str, port: int, poll: Any) -> None:
        self.folder, self.redis_url, self.poll = folder, redis_url, poll
        self.url = f"http://127.0.0.1:{port}"
        self.hook = ""
        self.process: Program | None = None
        self.origin = folder / "thyme.git"
        self.git("init", "-q", "-b", "main", str(folder / "work"), where=folder)
        self.git("init", "-q", "--bare", str(self.origin), where=folder)

    @classmethod
    def beside(cls, other: "Running", port: int) -> "Running":
        """Return a second dispatcher over the same Redis and repository."""
        second = copy(other)
        second.url, second.process = f"http://127.0.0.1:{port}", None
        return second

    def git(self, *command: str, where: Path | None = None) -> str:
        env = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
        where = where or self.folder / "work"
        return subprocess.run([*GIT, *command], cwd=where, env=env, check=True, capture_output=True, text=True).stdout

    def start(self, **env: str) -> None:
        mine = {"FARM_REDIS_URL": self.redis_url, "FARM_TOKEN": TOKEN, "FARM_URL": self.url, "FARM_LEASE": "2"}
        mine |= {"FARM_HOME": str(self.folder / "home"), "FARM_WEB_URL": "https://farm.example", "FARM_POLL": "0"}
        mine |= env
        with (self.folder / "log").open("ab") as log:
            self.process = Program(["dispatcher"], env={**os.environ, **mine}, log=log)
        self.poll(lambda: httpx.get(f"{self.url}/health", timeout=10).status_code in (200, 503))

    def stop(self, number: int = signal.SIGTERM, deadline: float = 60) -> None:
        if self.process:
            self.process.send_signal(number)
            self.process.wait(deadline)
            self.process = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def register(self) -> str:
        with self.client() as client:
            self.hook = client.register("thyme", str(self.origin), "main", {})["token"]
        return self.hook

    def client(self, token: str = TOKEN) -> Client:
        return Client(self.url, token)

    def commit(self, definition: str = "test: make check\n", message: str = "Fix VAT rounding") -> str:
        (self.folder / "work" / ".farm.yml").write_text(definition)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.git("push", "-q", str(self.origin), "HEAD:refs/heads/main")
        return self.git("rev-parse", "HEAD").strip()

    def push(self, new: str, wait: float = 10, **changes: Any) -> dict[str, Any]:
        update = {"id": f"00000000-{new[:12]}", "ref": "refs/heads/main", "old": ZERO, "new": new, "reflog": []}
        with self.client(self.hook) as client:
            return client.pushes("thyme", [update | changes], pusher="ada", wait=wait)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, need: Any, ports: Any, poll: Any) -> Iterator[Running]:
    """A dispatcher for the tests that leave it as it was; starting one takes most of a test's time."""
    folder, (port, redis_port) = tmp_path_factory.mktemp("farm"), ports(2)
    command = [
        need("redis-server"),
        "--port",
        str(redis_port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    database = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    running = Running(folder, f"redis://127.0.0.1:{redis_port}/0", port, poll)
    running.start()
    poll(running.register)
    yield running
    running.stop()
    database.terminate()
    database.wait()


@pytest.fixture
def farm(tmp_path: Path, redis_server: Any, ports: Any, poll: Any) -> Iterator[Running]:
    running = Running(tmp_path, redis_server.url, ports(1)[0], poll)
    running.start()
    running.register()
    yield running
    running.stop()


def test_a_push_is_answered_with_its_pipeline(farm: Running, redis_client: Any) -> None:
    commit = farm.commit()
    answer = farm.push(commit)
    number = answer["pipelines"][0]["number"]
    assert answer["pipelines"] == [
        {
            "id": f"00000000-{commit[:12]}",
            "number": number,
            "known": False,
            "status": "pending",
            "reason": None,
            "url": f"https://farm.example/pipelines/{number}",
            "messages": [],
        }
    ]
    assert answer["lines"] == [
        f'farm: thyme main {commit[:7]} "Fix VAT rounding"',
        f"success: pipeline #{number} queued (build -> test -> release)",
        "warning: no worker serves `build`",
        f"  https://farm.example/pipelines/{number}",
        f"hint: farm watch {number}  |  git push -o farm.watch  |  -o farm.skip",
    ]
    message = json.loads(redis_client.lindex("build", 0))
    assert message["headers"]["task"] == "stage.build"
    assert message["headers"]["argsrepr"] == f"#{number} thyme main {commit[:7]}"
    again = farm.push(commit)
    assert again["pipelines"][0]["number"] == number
    assert "known already" in again["lines"][1]
    assert redis_client.llen("build") == 1


def test_a_push_that_was_forgotten_is_known_and_makes_no_second_pipeline(farm: Running, redis_client: Any) -> None:
    commit = farm.commit("test: [")
    number = farm.push(commit)["pipelines"][0]["number"]
    Record(redis_client).forget(days=0, keep=1)
    again = farm.push(commit)
    assert (again["pipelines"][0]["number"], again["pipelines"][0]["status"]) == (number, "skipped")
    assert again["lines"][1] == f"pipeline #{number} skipped: it was known long ago; its pipeline is forgotten"
    assert "pipeline.waits" not in farm.log


def test_mistakes_are_answered_with_the_push(shared: Running) -> None:
    answer = shared.push(shared.commit("test:\n  scirpt: make\n"))
    assert answer["pipelines"][0]["status"] == "failed"
    assert answer["pipelines"][0]["messages"][0].startswith(".farm.yml:2:3: ")
    assert answer["lines"][1].startswith("error: .farm.yml:2:3: ")
    assert answer["lines"][-3] == f"error: pipeline #{answer['pipelines'][0]['number']} failed: definition"


def test_what_people_ask(shared: Running) -> None:
    number = shared.push(shared.commit())["pipelines"][0]["number"]
    with shared.client() as client:
        assert client.health() == {"redis": True}
        assert [repository["name"] for repository in client.repositories()] == ["thyme"]
        assert "token_hash" not in client.repositories()[0]
        shown = client.pipeline(number)
        assert (shown["status"], shown["waiting"]) == ("pending", "no worker serves `build`")
        assert [stage["name"] for stage in shown["stages"]] == ["build", "test", "release"]
        assert shown["stages"][0]["jobs"][0]["name"] == "build"
        listed = client.pipelines(repository="thyme", status="pending")
        assert [pipeline["number"] for pipeline in listed] == [number]
        assert "jobs" not in listed[0]["stages"][0]
        assert client.cancel(number, "ada")["status"] == "canceled"
        with pytest.raises(Refused, match="over already"):
            client.cancel(number, "ada")
        with pytest.raises(Refused, match="no pipeline #99"):
            client.pipeline(99)
        with pytest.raises(Refused, match="has no step"):
            client.logs(number, "deploy")
        assert client.logs(number, "test")["complete"]


def test_who_may_do_what(shared: Running) -> None:
    number = shared.push(shared.commit())["pipelines"][0]["number"]
    with shared.client() as admin:
        other = admin.register("other", "https://git.example/other.git", "main", {})["token"]
    with shared.client(shared.hook) as hook:
        assert hook.pipeline(number)["number"] == number
        assert hook.pipelines(repository="thyme")
        assert [repository["name"] for repository in hook.repositories()] == ["thyme"]
        for refused in (
            lambda: hook.cancel(number, "eve"),
            hook.pipelines,
            lambda: hook.register("mine", "https://git.example/mine.git", "main", {}),
            lambda: hook.pushes("other", []),
        ):
            with pytest.raises(Refused, match="token"):
                refused()
    for token, status in ((other, 403), ("wrong", 401), (f"{TOKEN}x", 401), ("é", 401)):
        answer = httpx.get(
            f"{shared.url}/pipelines/{number}", headers={"Authorization": f"Bearer {token}".encode()}, timeout=30
        )
        assert answer.status_code == status
    answer = httpx.get(f"{shared.url}/pipelines/{number}", timeout=30)
    assert (answer.status_code, "token" in answer.json()["detail"]) == (401, True)
    assert "token" not in (shared.folder / "log").read_text()


def test_a_name_has_one_url(shared: Running) -> None:
    with shared.client() as client:
        with pytest.raises(Refused, match="is registered with"):
            client.register("thyme", "https://git.example/thyme.git", "main", {})
        assert client.register("thyme", str(shared.origin), "main", {})["token"] != shared.hook
        with pytest.raises(Refused):
            client.register("../etc", "https://git.example/etc.git", "main", {})
        with pytest.raises(Refused):
            client.register("x", "ext::sh -c id", "main", {})
    with pytest.raises(Refused, match="token"):  # the old one is worth nothing any more
        shared.push("a" * 40)
    shared.register()


def test_a_repository_that_moved_keeps_its_name_if_it_can_be_read_there(shared: Running) -> None:
    with shared.client() as client:
        with pytest.raises(Refused, match="gone"):
            client.register("thyme", "/nowhere/gone.git", "main", {}, moved=True)
        client.register("thyme", f"file://{shared.origin}", "main", {}, moved=True)
        (thyme,) = (each for each in client.repositories() if each["name"] == "thyme")
        assert thyme["url"] == f"file://{shared.origin}"
        client.register("thyme", str(shared.origin), "main", {}, moved=True)
    shared.register()


def test_reports_that_are_wrong(shared: Running) -> None:
    for change, words in (
        ({"ref": "refs/heads/-x..y"}, "no full ref name"),
        ({"ref": "main"}, "no full ref name"),
        ({"new": "HEAD"}, "no full object id"),
        ({"id": "x"}, "updates.0.id"),
        ({"reflog": [["a"]]}, "updates.0.reflog"),
    ):
        with pytest.raises(Refused, match=words):
            shared.push(**({"new": "a" * 40} | change))


def test_too_much(shared: Running) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    body = b"[" + b"1," * (9 << 20)

    def pieces() -> Iterator[bytes]:
        yield from (body[start : start + (1 << 20)] for start in range(0, len(body), 1 << 20))

    declared = httpx.post(
        f"{shared.url}/pushes", headers=headers | {"Content-Length": "20000000"}, content=b"x" * 20000000
    )
    assert declared.status_code == 413
    undeclared = httpx.post(f"{shared.url}/pushes", headers=headers, content=pieces())
    assert undeclared.status_code == 413
    update = {"ref": "refs/heads/main", "old": ZERO, "new": "a" * 40}
    with shared.client() as client, pytest.raises(Refused, match="updates"):
        client.pushes("thyme", [update | {"id": f"many-{n:08}"} for n in range(10_001)])


def test_many_refs(shared: Running) -> None:
    commit = shared.commit()
    updates = [
        {"id": f"many-{n:08}", "ref": f"refs/heads/b{n}", "old": ZERO, "new": commit, "reflog": []} for n in range(17)
    ]
    for n in range(17):
        shared.git("push", "-q", str(shared.origin), f"HEAD:refs/heads/b{n}")
    with shared.client(shared.hook) as client:
        answer = client.pushes("thyme", updates, wait=10)
    assert len({pipeline["number"] for pipeline in answer["pipelines"]}) == 17
    assert answer["lines"][-2] == "and 12 more: https://farm.example/pipelines"


def test_without_redis_nothing_is_taken_and_nothing_lost(farm: Running, redis_server: Any, poll: Any) -> None:
    commit = farm.commit()
    redis_server.kill()
    with farm.client(farm.hook) as client:
        with pytest.raises(Unreachable, match="Redis does not answer"):
            farm.push(commit)
        assert client.health() == {"redis": False}
    redis_server.start()
    answer = poll(lambda: farm.push(commit))
    assert answer["pipelines"][0]["status"] == "pending"
    assert farm.process
    assert farm.process.poll() is None


def test_a_redis_that_is_frozen_is_named(farm: Running, redis_server: Any) -> None:
    """What was on its way to it, it does once it goes on."""
    update = {"id": "00000000-frozen", "ref": "refs/heads/main", "old": ZERO, "new": farm.commit()}
    with farm.client() as client:
        redis_server.freeze()
        with pytest.raises(Unreachable, match=r"^Redis does not answer, .*; what you asked for may still be done"):
            client.pushes("thyme", [update])
        with pytest.raises(Unreachable, match=r"^Redis does not answer, see .*; ask again$"):
            client.pipelines()
        redis_server.thaw()


def test_a_full_redis_says_so(farm: Running, redis_client: Any) -> None:
    commit = farm.commit()
    redis_client.config_set("maxmemory", "1")
    with pytest.raises(Unreachable, match="full"):
        farm.push(commit)
    redis_client.config_set("maxmemory", "0")
    assert farm.push(commit)["pipelines"][0]["status"] == "pending"


def test_a_push_that_nobody_took_up_is_taken_up(farm: Running, poll: Any) -> None:
    """The dispatcher dies between the ledger and the chain; another one finds the push."""
    commit = farm.commit()
    moved = farm.origin.with_suffix(".moved")
    farm.origin.rename(moved)
    answer = farm.push(commit)
    number = answer["pipelines"][0]["number"]
    assert answer["lines"][1].startswith(f"warning: pipeline #{number} waits: git cannot read")
    farm.stop(signal.SIGKILL)
    moved.rename(farm.origin)
    farm.start()
    with farm.client() as client:
        poll(lambda: client.pipeline(number)["stages"])


def test_the_end_comes_soon_even_with_somebody_waiting(farm: Running) -> None:
    number = farm.push(farm.commit())["pipelines"][0]["number"]
    asked = threading.Event()

    def follow() -> None:
        with farm.client() as client:
            asked.set()
            with contextlib.suppress(Unreachable):
                client.logs(number, "build", wait=25)

    thread = threading.Thread(target=follow)
    thread.start()
    asked.wait(60)
    process = farm.process
    assert process
    farm.stop(deadline=20)  # sooner than the reader's 25 seconds
    assert process.returncode == 0
    thread.join(60)
    assert not thread.is_alive()


def test_a_log_is_followed_while_it_is_written(farm: Running, redis_client: Any) -> None:
    number = farm.push(farm.commit())["pipelines"][0]["number"]
    record, logs = Record(redis_client), Logs(redis_client)
    claim = record.claim(number, "build", "w1")
    with farm.client(farm.hook) as client, logs.writer(number, "build", claim.fence) as log:
        began = monotonic()
        empty = client.logs(number, "build")
        assert (empty["chunks"], empty["complete"]) == ([], False)
        late = threading.Timer(0.5, log.write, (b"\x1b[31mred\x1b[0m \xff\nnext\n",))
        late.start()
        page = client.logs(number, "build", after=empty["cursor"], wait=20)
        assert 0.4 < monotonic() - began < 18
        assert "".join(chunk["text"] for chunk in page["chunks"]).startswith("\x1b[31mred\x1b[0m \ufffd\n")
        assert page["chunks"][0]["line"] == 1
        late.join()
    record.commit(claim, Status.FAILED, reason="no")
    with farm.client() as client:
        cursor, text = "0", ""
        while not page["complete"]:
            page = client.logs(number, "build", after=cursor, wait=5)
            text += "".join(chunk["text"] for chunk in page["chunks"])
            cursor = page["cursor"]
        assert text.splitlines()[-1] == "next"
        assert "".join(client.raw_log(number, "build")).endswith("next\n")
        with pytest.raises(Refused, match="has no step"):
            list(client.raw_log(number, "nothing"))
    answer = httpx.get(f"{farm.url}/pipelines/{number}/logs/build?raw=1", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_two_dispatchers_share_the_work(farm: Running, ports: Any, poll: Any, redis_client: Any) -> None:
    other = Running.beside(farm, ports(1)[0])
    other.start()
    try:
        commit = farm.commit()
        one, two = farm.push(commit), other.push(commit)
        assert one["pipelines"][0]["number"] == two["pipelines"][0]["number"]
        assert redis_client.llen("build") == 1
        holders = {redis_client.get(key) for key in redis_client.keys("farm:lease:*")}
        assert len(holders) == 1
        farm.stop(signal.SIGKILL)
        poll(lambda: {redis_client.get(key) for key in redis_client.keys("farm:lease:*")} - holders - {None})
    finally:
        other.stop()


def test_slack_is_told_by_the_dispatcher(farm: Running, poll: Any) -> None:
    with slack.serving() as fake:
        farm.stop()
        farm.start(FARM_SLACK_WEBHOOK=fake.webhook)
        farm.push(farm.commit("test:\n  scirpt: make\n"))
        (message,) = poll(lambda: fake.messages)
    assert "failed" in message["text"]
    assert ".farm.yml:2:3: " in str(message["blocks"])
    assert "secret" not in farm.log


def test_the_description_of_the_api(shared: Running) -> None:
    document = httpx.get(f"{shared.url}/openapi.json").json()
    assert document["info"]["title"] == "farm dispatcher"
    assert "/pipelines/{number}" in document["paths"]


def test_nobody_there() -> None:
    with Client("http://127.0.0.1:9", "x") as client, pytest.raises(Unreachable, match="does not answer"):
        client.pipelines()


def test_a_bad_file_of_settings_keeps_the_old_one_running_and_is_told(shared: Running) -> None:
    file = shared.folder / "home" / "farm.yml"
    file.parent.mkdir(exist_ok=True)
    with shared.client() as client:
        before = client.config()
        assert (before["problem"], before["waiting"]) == (None, [])
        try:
            file.write_text("poll: 0\nrepositoris: {}\n")
            shared.poll(lambda: client.config()["problem"])
            assert f"{file}:2:1" in client.config()["problem"]
            assert client.repositories()
            file.write_text("lease: 3\nweb_url: https://other.example\n")
            shared.poll(lambda: not client.config()["problem"])
            assert client.config()["waiting"] == []  # variables win over the file
        finally:
            file.unlink()
    with shared.client(shared.hook) as client, pytest.raises(Refused):
        client.config()


def test_who_watches_outlives_a_restart(farm: Running, redis_client: Any, poll: Any) -> None:
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(farm.folder)}
    env |= {"FARM_URL": farm.url, "FARM_TOKEN": TOKEN, "FARM_HOME": str(farm.folder / "home")}
    assert run(["hook", "install", farm.origin, "--timer", "none"], env=env).code == 0
    hook = farm.origin / "hooks" / "post-receive"
    hook.write_bytes(hook.read_bytes().replace(b"\nPATIENCE = 1.15 ", b"\nPATIENCE = 30.0 "))  # the machine may be busy
    (farm.folder / "work" / ".farm.yml").write_text("test: make check\n")
    farm.git("add", "-A")
    farm.git("commit", "-qm", "Fix VAT rounding")
    with contextlib.ExitStack() as ends:
        where = farm.folder / "work"
        push, watch = (ends.enter_context((farm.folder / name).open("wb")) for name in ("push", "watch"))

        def said(name: str) -> str:
            return (farm.folder / name).read_text()

        command = ["git", "push", "-o", "farm.watch", str(farm.origin), "HEAD:main"]
        pushed = ends.enter_context(subprocess.Popen(command, cwd=where, env=env, stdout=push, stderr=push))
        poll(lambda: "build pending" in said("push"))
        watched = Program(["watch", "1"], cwd=where, env=env, log=watch)
        poll(lambda: "build pending" in said("watch"))
        farm.stop(signal.SIGKILL)
        for name in ("push", "watch"):
            poll(lambda name=name: "does not answer" in said(name) and "trying again" in said(name))
        late = ends.enter_context((farm.folder / "late").open("wb"))
        begun = Program(["watch", "1"], cwd=where, env=env, log=late)
        poll(lambda: "does not answer" in said("late") and "trying again for 30 s" in said("late"))
        farm.start()
        record = Record(redis_client, 2)
        record.commit(record.claim(1, "build", "w1"), Status.FAILED, reason="exit status 2")
        assert (watched.wait(60), begun.wait(60), pushed.wait(60)) == (1, 1, 0)
    assert "failed after" in said("watch")
    assert "failed after" in said("late")
    assert "error: pipeline #1 failed" in said("push")
    assert said("watch").count("trying again") == said("push").count("trying again") == 1


def test_a_dispatcher_that_stays_away_is_told(monkeypatch: pytest.MonkeyPatch, ports: Any) -> None:
    monkeypatch.setattr(output, "PATIENCE", 0.1)
    monkeypatch.setattr(output, "_LOOK", 0.1)
    with Client(f"http://127.0.0.1:{ports(1)[0]}", TOKEN) as client, pytest.raises(Unreachable, match="farm up"):
        output.patiently(lambda: client.pipeline(1))
