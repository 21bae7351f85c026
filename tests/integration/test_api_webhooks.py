"""Webhooks at the dispatcher's door, over HTTP and a real Redis: what is kept, what is refused, by which sentence."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from redis.exceptions import OutOfMemoryError

from farm import webhooks
from farm.access import Access
from farm.api import Service, create
from farm.artifacts import Store
from farm.cli.dispatcher import _open as open_door
from farm.dispatch import Dispatcher
from farm.forges import Moved
from farm.garbage import Garbage
from farm.intake import Intake
from farm.push import Push
from farm.registry import Registry
from farm.remotes import Remotes
from farm.settings import Settings
from farm.webhooks import Webhooks
from tests import forges
from tests.forges import PROJECT, SECRET, SIGNING, ZERO
from tests.records import MAIN, Farm

pytestmark = pytest.mark.redis
GIT = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")


class Door:
    """The dispatcher's HTTP service over a repository `thyme` with some commits, without its loops."""

    def __init__(self, folder: Path, farm: Farm, **settings: Any) -> None:
        self.farm, self.folder, self.origin = farm, folder, folder / "thyme.git"
        self.git("init", "-q", "--bare", "-b", "main", str(self.origin), where=folder)
        self.git("init", "-q", "-b", "main", str(folder / "work"), where=folder)
        farm.ledger.register("rota", str(self.origin), "main", {})
        known = {"kind": "github", "project": PROJECT, "secret": SECRET}
        repositories = settings.pop("repositories", {"rota": {"forge": known}})
        own = self.settings = Settings.model_validate(
            {"home": folder / "home", "repositories": repositories, **settings}
        )
        intake = Intake(Dispatcher(farm.record, farm.ledger, own, publish=lambda *_: None))
        self.webhooks = Webhooks(farm.ledger, intake)
        registry = Registry("127.0.0.1:1", plain=True)
        rest = (
            Garbage(farm.record, registry, "", 1),
            Remotes(farm.ledger, intake, 0),
            self.webhooks,
            Store("memory://"),
        )
        service = Service(own, farm.record, farm.ledger, farm.logs, intake, Access("admin", farm.ledger), *rest)
        self.intake, self._socket = intake, open_door("127.0.0.1", 0)
        self._server = uvicorn.Server(uvicorn.Config(create(service), log_config=None, lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self._socket.getsockname()[1]}", timeout=30)

    def close(self) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self.intake.close()

    def git(self, *command: str, where: Path | None = None) -> str:
        where = where or self.folder / "work"
        return subprocess.run([*GIT, *command], cwd=where, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, ref: str = MAIN) -> str:
        (self.folder / "work" / ".farm.yml").write_text("test: make check\n")
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "Fix VAT rounding")
        self.git("push", "-q", "-f", str(self.origin), f"HEAD:{ref}")
        return self.git("rev-parse", "HEAD")

    def post(self, sent: forges.Sent, forge: str = "github", **headers: str) -> tuple[int, str]:
        answer = self.client.post(f"/webhooks/{forge}", content=sent[1], headers=sent[0] | headers)
        return answer.status_code, answer.json()["detail"]

    def everything_is_protected(self) -> None:
        own = self.settings.repository("rota").model_copy(update={"protected": ("refs/*",)})
        self.intake.dispatcher.settings = self.settings.model_copy(update={"repositories": {"rota": own}})

    def grace_is_over(self) -> None:
        for told in self.farm.redis.zrange("farm:held", 0, -1):
            self.farm.redis.zadd("farm:held", {told: 0})

    def pipelines(self) -> list[Mapping[str, Any]]:
        numbers = self.farm.redis.zrange("farm:pipelines", 0, -1)
        return [self.farm.redis.hgetall(f"farm:pipeline:{number}") for number in numbers]


@pytest.fixture
def farm(redis_client: Any) -> Iterator[Farm]:
    farm = Farm(redis_client)
    yield farm
    farm.logs.close()


@pytest.fixture
def door(tmp_path: Path, farm: Farm) -> Iterator[Door]:
    door = Door(tmp_path, farm)
    yield door
    door.close()


def test_no_answer_waits_for_a_word_of_the_other_side() -> None:
    with open_door("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        came, _ = listening.accept()
        with came:
            assert came.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_pushes_get_pipelines_and_a_delivery_is_taken_once(door: Door, poll: Any) -> None:
    first, second = door.commit(), door.commit()
    sent = forges.github("push", forges.github_push(ZERO, first), "d-1")
    assert door.post(sent) == (202, f"kept: {MAIN} of rota")
    assert door.post(forges.github("push", forges.github_push(first, second), "d-2"))[0] == 202
    again = (409, "this delivery was taken before, so nothing was done; push again to have a pipeline")
    assert door.post(sent) == again
    assert door.post(sent, **{"X-GitHub-Delivery": "d-3"}) == again, "the id is not signed, the body is"
    poll(lambda: [one.get("steps") for one in door.pipelines()] == ["build test release"] * 2, deadline=30)
    told = [(one["old"], one["new"], one["who"], one["source"]) for one in door.pipelines()]
    assert told == [(ZERO, first, "ada", "webhook"), (first, second, "ada", "webhook")]
    assert (door.farm.redis.zcard("farm:held"), door.farm.redis.zcard("farm:deliveries")) == (0, 4)


def test_branches_and_tags_come_and_go(door: Door, poll: Any) -> None:
    commit, tag, side = door.commit("refs/tags/v1"), "refs/tags/v1", "refs/heads/side"
    for index, move in enumerate(((ZERO, commit, tag), (commit, ZERO, tag), (commit, ZERO, side))):
        assert door.post(forges.github("push", forges.github_push(*move), f"d-{index}"))[0] == 202
    gone = ["the tag was deleted", "the branch was deleted"]
    poll(lambda: [one.get("reason") for one in door.pipelines()][1:] == gone, deadline=30)
    poll(lambda: door.pipelines()[0]["steps"] == "build test", deadline=30)


def test_hook_and_webhook_make_one_pipeline_with_the_options_of_the_hook(door: Door) -> None:
    door.farm.ledger.register("rota", str(door.origin), "main", {}, token_hash="a hook's")
    first, second = door.commit(), door.commit()
    hook = Push("by-hook-1", "rota", MAIN, ZERO, first, "ada over ssh", ("farm.skip",))
    assert door.post(forges.github("push", forges.github_push(ZERO, first), "d-1"))[0] == 202
    assert door.pipelines() == [], "the hook has its time"
    assert not door.farm.ledger.enter("rota", [hook])[0].known
    door.grace_is_over()
    door.webhooks.look()
    door.intake.close()
    assert door.post(forges.github("push", forges.github_push(first, second), "d-2"))[0] == 202
    door.grace_is_over()
    door.webhooks.look()
    late = replace(hook, id="by-hook-2", old=first, new=second)
    assert door.farm.ledger.enter("rota", [late])[0].known, "it came after its time, and nobody has looked yet"
    told = [(one["new"], one["who"], one["options"], one["source"]) for one in door.pipelines()]
    assert told == [(new, "ada over ssh", '["farm.skip"]', "hook") for new in (first, second)]


def test_a_pull_request_is_built_and_tested_and_releases_nothing(door: Door, poll: Any) -> None:
    door.everything_is_protected()
    pull = "refs/pull/7/head"
    first, second = door.commit(pull), door.commit(pull)
    by_hook = Push("by-hook-1", "rota", pull, ZERO, first, "ada", ("farm.fork=",))
    assert not door.farm.ledger.enter("rota", [by_hook])[0].known
    door.intake.take("rota", 1)
    assert door.post(forges.github("pull_request", forges.github_pull("opened", first), "d-1"))[0] == 202
    assert door.post(forges.github("pull_request", forges.github_pull("reopened", first), "d-2"))[0] == 202
    assert door.post(forges.github("pull_request", forges.github_pull("synchronize", second), "d-3"))[0] == 202
    poll(lambda: [one.get("steps") for one in door.pipelines()][1:] == ["build test"] * 2, deadline=30)
    hooked, one, two = door.pipelines()
    assert (hooked["status"], hooked["reason"]) == ("skipped", f"{pull} is neither a branch nor a tag")
    assert (one["new"], one["reason"], one["protected"]) == (first, "pull request 7 does not release", "0")
    assert (two["old"], two["new"], two["who"]) == (first, second, "bob")


def test_commits_of_a_fork_run_only_at_a_word_and_these_alone(door: Door, poll: Any) -> None:
    door.everything_is_protected()
    first, second = door.commit("refs/pull/7/head"), door.commit("refs/pull/7/head")
    headers = {"Authorization": "Bearer admin"}
    opened = forges.github_pull("opened", first, "bob/thyme")
    assert door.post(forges.github("pull_request", opened, "d-1"))[0] == 202
    sentence = "it comes from bob/thyme; a maintainer who has read it lets it run by `farm approve 1`"
    poll(lambda: door.pipelines()[0].get("reason") == sentence, deadline=30)
    assert door.client.post("/pipelines/1/retry", headers=headers, json={"who": "eve"}).status_code == 200
    poll(lambda: door.pipelines()[0].get("reason") == sentence, deadline=30)
    assert door.client.post("/pipelines/1/approve", json={"who": "eve"}).status_code == 401
    assert door.client.post("/pipelines/1/approve", headers=headers, json={"who": "ada"}).status_code == 200
    poll(lambda: door.pipelines()[0].get("steps") == "build test", deadline=30)
    told = door.pipelines()[0]
    assert (told["approved_by"], told["protected"]) == ("ada", "0")
    again = door.client.post("/pipelines/1/approve", headers=headers, json={"who": "ada"})
    assert (again.status_code, "approved before" in again.text) == (409, True)
    newer = forges.github_pull("synchronize", second, None)
    assert door.post(forges.github("pull_request", newer, "d-2"))[0] == 202
    poll(lambda: "a fork that is gone; a maintainer" in door.pipelines()[1].get("reason", ""), deadline=30)
    assert door.post(forges.github("push", forges.github_push(ZERO, second), "d-3"))[0] == 202
    refused = door.client.post("/pipelines/3/approve", headers=headers, json={"who": "ada"})
    assert (refused.status_code, "no pull request from a fork" in refused.text) == (409, True)


def test_what_is_kept_outlives_a_dispatcher_and_is_entered_once(door: Door) -> None:
    assert door.webhooks.take("rota", ["d-1"], Moved(MAIN, ZERO, door.commit(), "ada"))
    (told,) = door.farm.redis.zrange("farm:held", 0, -1)
    Webhooks(door.farm.ledger, door.intake).look()
    door.farm.redis.zadd("farm:held", {told: 0})  # it ended between the ledger and here
    door.farm.redis.zadd("farm:held", {'{"of": "another version"}': 0})
    door.webhooks.look()
    assert door.farm.redis.zcard("farm:held") == 0
    assert len(door.pipelines()) == 1


def test_what_cannot_be_entered_yet_is_kept(door: Door) -> None:
    assert door.webhooks.take("rota", ["d-1"], Moved(MAIN, ZERO, door.commit(), "ada"))
    door.farm.redis.config_set("maxmemory", 1)
    with pytest.raises(OutOfMemoryError):
        door.webhooks.look()
    door.farm.redis.config_set("maxmemory", 0)
    door.webhooks.look()
    assert len(door.pipelines()) == 1


def test_only_so_many_deliveries_are_known_and_for_so_long(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MOST", 3)
    for index in range(5):
        assert door.webhooks.take("rota", [f"d-{index}"], None)
    assert door.farm.redis.zrange("farm:deliveries", 0, -1) == ["d-2", "d-3", "d-4"]
    monkeypatch.setattr(webhooks, "MEMORY", 0)
    assert door.webhooks.take("rota", ["d-4"], None)


def test_what_is_nothing_to_do_is_said_with_200(door: Door) -> None:
    project = {"repository": {"full_name": PROJECT}}
    assert door.post(forges.github("ping", project)) == (200, f"the farm hears github; pushes of {PROJECT} are welcome")
    status, sentence = door.post(forges.github("issues", project))
    assert (status, sentence.partition(":")[0]) == (200, "nothing to do")
    assert door.post(forges.github("issues", project))[0] == 200, "it is not kept, so it may come again"
    pull = forges.github("push", forges.github_push(ref="refs/pull/7/head"))
    assert door.post(pull) == (200, "nothing to do: refs/pull/7/head is neither a branch nor a tag")
    assert door.pipelines() == []


@pytest.mark.parametrize("name", forges.NAMES)
def test_every_event_of_a_forge_and_any_other_is_answered_with_a_word(tmp_path: Path, farm: Farm, name: str) -> None:
    door = Door(tmp_path, farm, forges={name: {"secret": SECRET}})
    events = (forges.EVENTS / f"{name}.txt").read_text().splitlines()
    said = {event: door.post(getattr(forges, name)(event, {}), name) for event in (*events, "of next year")}
    door.close()
    taken = {event for event, (status, _) in said.items() if status != 200}
    assert taken == {
        "push",
        "pull_request",
        "pull_request_sync",
        "Push Hook",
        "Tag Push Hook",
        "Merge Request Hook",
    } & {*events}
    assert {said[event][0] for event in taken} == {422}  # for these bodies are empty
    assert all(said[event][1].startswith("nothing to do: `") for event in said.keys() - taken - {"ping"})


def test_each_refusal_says_what_is_wrong(door: Door) -> None:
    push = forges.github_push()
    good = forges.github("push", push)
    other = forges.github("push", push | {"repository": {"full_name": "acme/other"}})
    refusals = [
        (door.post(good, "gitter"), 404, "the farm knows no forge 'gitter'; it takes /webhooks/github,"),
        (door.post(good, **{"Content-Type": "application/x-www-form-urlencoded"}), 415, "send application/json"),
        (door.post((good[0], b"[]")), 400, "no JSON object"),
        (door.post((good[0], b"[" * 100_000)), 400, "no JSON object"),
        (door.post((good[0], good[1] + b" ")), 401, "X-Hub-Signature-256 does not fit"),
        (
            door.post(({"Content-Type": "application/json", "X-GitHub-Event": "push"}, good[1])),
            401,
            "there is no X-Hub",
        ),
        (door.post(good, **{"X-GitHub-Event": ""}), 400, "does not name its event"),
        (door.post(other), 404, "no secret is known for acme/other; farm.yml names one under"),
        (door.post(forges.github("push", {"repository": {"full_name": "\ud800"}})), 404, "no secret is known for ?;"),
        (door.post(forges.github("push", push | {"ref": "refs/heads/-x..y"})), 422, "no full ref name"),
        (door.post(forges.github("push", push | {"after": "main"})), 422, "no full object id"),
        (door.post(forges.github("push", push | {"ref": 7})), 422, "no text ref"),
    ]
    for (status, sentence), expected, words in refusals:
        assert status == expected, sentence
        assert words in sentence
    assert door.farm.redis.exists("farm:held", "farm:deliveries") == 0


def test_a_secret_of_all_repositories_lets_in_whoever_has_none_of_its_own(tmp_path: Path, farm: Farm) -> None:
    signing = tmp_path / "signing"
    signing.write_text(SIGNING + "\n")
    door = Door(
        tmp_path,
        farm,
        forges={"gitlab": {"secret": {"file": str(signing)}}},
        repositories={"rota": {"forge": {"kind": "gitlab", "project": "Acme/Thyme"}}},
    )
    document = forges.gitlab_push(ZERO, door.commit())
    now = time.time()
    assert door.post(forges.gitlab_signed("Push Hook", document, now), "gitlab")[0] == 202
    assert door.post(forges.gitlab_signed("Push Hook", document, now), "gitlab")[0] == 409
    other = document | {"project": {"path_with_namespace": "acme/other"}}
    status, sentence = door.post(forges.gitlab_signed("Push Hook", other, now, "d-2"), "gitlab")
    assert (status, "nothing to do: farm.yml names no repository whose forge is gitlab" in sentence) == (200, True)
    assert door.post(forges.gitlab("Push Hook", document), "gitlab")[0] == 401
    signing.unlink()
    assert door.post(forges.gitlab_signed("Push Hook", document, now, "d-3"), "gitlab")[0] == 503
    door.close()
