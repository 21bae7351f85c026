"""Commit statuses on fakes of the forges' APIs, which refuse over HTTP what the real ones document to refuse."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from farm.forges.statuses import address
from farm.logs import Logs
from farm.pipeline import Status
from farm.report import Delivery, Desk
from farm.reporters.forge import Statuses
from farm.reporters.standing import Book
from farm.settings import Settings
from tests.forges import PROJECT
from tests.receiver import Answer, Receiver, Request, receiving
from tests.records import FAN, Farm, oid

pytestmark = pytest.mark.redis

TOKEN = "a-token-of-the-test"
OURS = {"github": 140, "gitea": 255, "forgejo": 255}
PREFIX = {"github": "/api/v3", "gitea": "/api/v1", "forgejo": "/api/v1"}
STATES = {"github": {"error", "failure", "pending", "success"}}
STATES["gitea"] = STATES["forgejo"] = STATES["github"] | {"warning"}
GITLAB = {"pending", "running", "success", "failed", "canceled", "skipped"}


class Fake:
    """What one forge keeps: commit -> name -> all states and descriptions that were written, in order."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.written: dict[str, list[tuple[str, str]]] = {}

    def __call__(self, request: Request) -> Answer:
        judge = self._gitlab if self.kind == "gitlab" else self._ours
        problem = judge(request, json.loads(request.body))
        return problem or Answer(201, b"{}")

    def _ours(self, request: Request, body: dict[str, Any]) -> Answer | None:
        scheme = "Bearer" if self.kind == "github" else "token"
        if request.headers.get("authorization") != f"{scheme} {TOKEN}":
            return Answer(401, b'{"message": "Bad credentials"}')
        if self.kind == "github" and request.headers.get("accept") != "application/vnd.github+json":
            return Answer(415, b"{}")
        found = re.fullmatch(rf"{PREFIX[self.kind]}/repos/{PROJECT}/statuses/([0-9a-f]{{40}})", request.path)
        if not found:
            return Answer(404, b'{"message": "Not Found"}')
        wrong = body["state"] not in STATES[self.kind] or len(body["description"]) > OURS[self.kind]
        if wrong or set(body) != {"state", "target_url", "description", "context"} or not _link(body["target_url"]):
            return Answer(422, b'{"message": "Validation Failed"}')
        self._keep(body["context"], body)
        return None

    def _gitlab(self, request: Request, body: dict[str, Any]) -> Answer | None:
        if request.headers.get("private-token") != TOKEN:
            return Answer(401, b'{"message": "401 Unauthorized"}')
        found = re.fullmatch(r"/api/v4/projects/([^/]+)/statuses/([0-9a-f]{40})", request.path)
        if not found or unquote(found[1]) != PROJECT:
            return Answer(404, b'{"message": "404 Project Not Found"}')
        if body["state"] not in GITLAB or len(body["description"]) > 255 or not _link(body["target_url"]):
            return Answer(400, b'{"error": "state does not have a valid value"}')
        if set(body) - {"state", "ref", "name", "target_url", "description"}:
            return Answer(400, b'{"error": "unknown parameter"}')
        before = self.written.get(body["name"], [("", "")])[-1][0]
        if before == body["state"] and before in ("pending", "running"):
            return Answer(400, b'{"message": "Cannot transition status via :run from :running"}')
        self._keep(body["name"], body)
        return None

    def _keep(self, name: str, body: dict[str, Any]) -> None:
        self.written.setdefault(name, []).append((body["state"], body["description"]))

    def states(self, name: str) -> list[str]:
        return [state for state, _ in self.written[name]]


def _link(url: str) -> bool:
    return urlsplit(url).scheme in ("http", "https")


class Forged:
    """A farm whose repository `thyme` is a project on a fake forge."""

    def __init__(self, kind: str, client: Any, receiver: Receiver, home: Path, **forge: Any) -> None:
        self.fake, self.farm, self.receiver, self.client = receiver.judge, Farm(client), receiver, client
        told = {"kind": kind, "project": PROJECT, "token": TOKEN, "url": receiver.url} | forge
        settings = Settings.model_validate(
            {"home": home, "web_url": "https://farm.example", "repositories": {"thyme": {"forge": told}}}
        )
        reporter = Statuses(kind, client, settings)
        self.delivery = Delivery(client, reporter, Desk(self.farm.record, Logs(client)))
        self.delivery.join()
        self.book = Book(client, reporter.name)


Make = Callable[..., Forged]


@pytest.fixture
def forged(redis_client: Any, tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:
        yield lambda kind, **forge: Forged(
            kind, redis_client, stack.enter_context(receiving(Fake(kind))), tmp_path, **forge
        )


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea", "forgejo"])
def test_each_stage_has_a_status_from_waiting_to_its_end(kind: str, forged: Make) -> None:
    forge = forged(kind)
    number = forge.farm.open()
    forge.delivery.deliver()
    claim = forge.farm.claim(number, "build")
    forge.delivery.deliver()
    forge.farm.record.commit(claim, Status.PASSED, result={"image": f"h/thyme@sha256:{number:064x}"})
    claim = forge.farm.claim(number, "test")
    forge.farm.record.commit(claim, Status.FAILED, reason="unit: 2 of 40 tests failed" + " and so on" * 40)
    forge.delivery.deliver()
    begun = ["pending", "running"] if kind == "gitlab" else ["pending", "pending"]
    failed = "failed" if kind == "gitlab" else "failure"
    never = "canceled" if kind == "gitlab" else "error"
    assert forge.fake.states("farm/build") == [*begun, "success"]
    assert forge.fake.states("farm/test") == ["pending", failed]
    assert forge.fake.states("farm/release") == ["pending", never]
    said = forge.fake.written["farm/test"][-1][1]
    assert said.startswith(f"#{number} failed: unit: 2 of 40 tests failed and so on")
    assert said.endswith("…")
    assert {request.path.rpartition("/")[2] for request in forge.receiver.requests} == {oid("a")}
    assert (forge.book.read().behind, forge.book.read().refused) == (0, 0)


def test_what_is_there_is_not_written_again(forged: Make) -> None:
    forge = forged("gitlab")
    number = forge.farm.open(steps=FAN)
    forge.delivery.deliver()
    many = len(forge.receiver.requests)
    forge.client.xadd("farm:outbox", {"pipeline": number, "kind": "queued", "step": "", "status": "pending"})
    forge.delivery.deliver()
    assert len(forge.receiver.requests) == many
    forge.client.delete(f"farm:statuses:{number}")  # it was written, and that was forgotten
    forge.client.xadd("farm:outbox", {"pipeline": number, "kind": "queued", "step": "", "status": "pending"})
    forge.delivery.deliver()
    assert forge.book.read().refused == 0, "GitLab says that it has it already"


def test_a_broken_definition_fails_the_build_and_a_skipped_push_says_nothing(forged: Make) -> None:
    forge = forged("github")
    broken, skipped = forge.farm.enter(forge.farm.push("-", "a"), forge.farm.push("a", "b"))
    forge.farm.record.close(broken, Status.FAILED, "definition\n.farm.yml:2:3: unknown key")
    forge.farm.record.close(skipped, Status.SKIPPED, "git push -o farm.skip")
    forge.delivery.deliver()
    assert forge.fake.written == {
        "farm/build": [("failure", f"#{broken} failed: definition .farm.yml:2:3: unknown key")]
    }


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (Answer(429, b"", {"Retry-After": "7"}), 7.0),
        (Answer(403, b"", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}), 1.0),
        (Answer(502, b""), 1.0),
    ],
)
def test_a_forge_that_wants_patience_gets_it_and_then_all_of_it(forged: Make, answer: Answer, wait: float) -> None:
    forge = forged("github")
    forge.receiver.answers = [answer]
    forge.farm.open()
    assert forge.delivery.deliver() == wait
    forge.delivery.deliver()
    assert set(forge.fake.written) == {"farm/build", "farm/test", "farm/release"}


@pytest.mark.parametrize(
    ("kind", "forge", "words"),
    [
        ("github", {"token": "another"}, "answers 401 for acme/thyme"),
        ("gitlab", {"project": "acme/other"}, "answers 404 for acme/other"),
        ("gitea", {"url": None}, "does not say where acme/thyme is"),
        ("gitlab", {"token": {"env": "FARM_TEST_NO_SUCH"}}, "FARM_TEST_NO_SUCH"),
    ],
)
def test_a_repository_that_is_set_up_wrongly_is_told_of_and_holds_up_no_other(
    forged: Make, kind: str, forge: dict[str, Any], words: str
) -> None:
    made = forged(kind, **forge)
    made.farm.open()
    made.farm.ledger.register("rota", "file:///srv/rota.git", "main", {})
    made.farm.enter(made.farm.push("-", "c"))
    made.delivery.deliver()
    assert words in made.book.read().waiting
    assert TOKEN not in made.book.read().waiting


def test_what_a_forge_will_never_take_is_left(forged: Make) -> None:
    forge = forged("github")
    forge.receiver.answers = [Answer(422, b'{"message": "No commit found for SHA"}')]
    forge.farm.open()
    forge.delivery.deliver()
    standing = forge.book.read()
    assert (standing.refused, standing.behind) == (1, 0)
    assert "No commit found" in standing.lost


def test_where_the_interfaces_are() -> None:
    assert address("github", None) == "https://api.github.com"
    assert address("github", "https://git.example/") == "https://git.example/api/v3"
    assert address("gitlab", None) == "https://gitlab.com/api/v4"
    assert address("forgejo", "https://git.example") == "https://git.example/api/v1"
