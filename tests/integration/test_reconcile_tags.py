"""Tags of a real registry are what the record says, whoever wrote them."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from farm import reconcile
from farm.errors import Errored
from farm.ledger import Ledger
from farm.pipeline import Status, Step
from farm.push import ZERO, Push
from farm.record import Record
from farm.registry import Registry

pytestmark = [pytest.mark.redis, pytest.mark.registry]

STEPS = (Step("build", "build"), Step("release", "release", ("build",)))


def image(url: str, repository: str, words: str) -> str:
    """Put a smallest image into the registry and return its digest."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "comment": words}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    place = httpx.post(f"{url}/v2/{repository}/blobs/uploads/").headers["location"]
    httpx.put(httpx.URL(place).copy_add_param("digest", digest), content=config).raise_for_status()
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": len(config),
            "digest": digest,
        },
        "layers": [],
    }
    answer = httpx.put(
        f"{url}/v2/{repository}/manifests/{words}", json=manifest, headers={"Content-Type": kind}
    ).raise_for_status()
    return str(answer.headers["docker-content-digest"])


class Tags:
    """A repository whose pushes are released one after the other."""

    def __init__(self, client: Any, server: Any, name: str) -> None:
        self.record, self.ledger, self.name = Record(client), Ledger(client), name
        self.ledger.register("thyme", "file:///thyme.git", "main", {})
        self.url = server.url
        self.registry = Registry(server.host)
        self.last = ZERO

    def release(self, words: str, *, put: bool = True) -> str:
        new = hashlib.sha1(words.encode()).hexdigest()
        number = self.ledger.enter("thyme", [Push(f"uuid-{words}", "thyme", "refs/heads/main", self.last, new)])[
            0
        ].number
        self.last = new
        digest = image(self.url, self.name, words)
        self.record.open(number, definition="{}", steps=STEPS, image_repository=self.name)
        claim = self.record.claim(number, "build", "w1")
        self.record.commit(claim, Status.PASSED, result={"image": f"{self.registry.address}/{self.name}@{digest}"})
        claim = self.record.claim(number, "release", "w1")
        assert self.record.release_begin(claim, "latest").go
        if put:
            self.registry.tag(self.name, digest, "latest")
            self.record.release_done(claim, "latest")
        return digest

    @property
    def latest(self) -> str | None:
        return self.registry.digest(self.name, "latest")

    def settle(self) -> None:
        for intent in self.record.intents():
            reconcile.settle(self.record, self.registry, intent, 1.0)


@pytest.fixture
def tags(redis_client: Any, registry: Any, request: pytest.FixtureRequest) -> Iterator[Tags]:
    tags = Tags(redis_client, registry, request.node.name.replace("_", "-"))
    yield tags
    tags.registry.close()


def test_a_late_write_is_put_right_and_said(tags: Tags) -> None:
    old = tags.release("one")
    new = tags.release("two")
    tags.registry.tag(tags.name, old, "latest")
    with capture_logs() as said:
        tags.settle()
    assert tags.latest == new
    assert [(entry["event"], entry["found"], entry["wanted"]) for entry in said] == [("tag.drifted", old, new)]


def test_it_is_done_by_the_loop_within_five_seconds(tags: Tags, poll: Any) -> None:
    old, new = tags.release("one"), tags.release("two")
    poll(lambda: reconcile.settle_tags(tags.record, tags.registry) and not tags.record.intents(due=True))
    tags.registry.tag(tags.name, old, "latest")
    poll(lambda: reconcile.settle_tags(tags.record, tags.registry) and tags.latest == new, deadline=5)


def test_a_release_that_was_begun_and_not_ended_is_ended(tags: Tags) -> None:
    tags.release("one")
    new = tags.release("two", put=False)
    assert tags.latest != new
    tags.settle()
    assert tags.latest == new
    assert tags.record.intents()[0].confirmed


def test_a_release_that_comes_between_wins(tags: Tags, monkeypatch: pytest.MonkeyPatch) -> None:
    """The older digest is written a moment after the newer one: the newer is written again."""
    old = tags.release("one")
    intent = tags.record.intents()[0]
    tags.registry.tag(tags.name, image(tags.url, tags.name, "stray"), "latest")
    put, later = tags.registry.put, []

    def late(*arguments: Any) -> None:
        monkeypatch.setattr(tags.registry, "put", put)
        later.append(tags.release("two"))
        put(*arguments)

    monkeypatch.setattr(tags.registry, "put", late)
    reconcile.settle(tags.record, tags.registry, intent, 1.0)
    assert tags.latest == later[0] != old


def test_an_image_that_is_gone_is_said_and_left(tags: Tags) -> None:
    digest = tags.release("one")
    tags.registry.delete(tags.name, digest)
    with capture_logs() as said:
        tags.settle()
    assert [entry["event"] for entry in said] == ["tag.lost"]
    assert tags.record.intents(due=True) == []


def test_a_registry_that_is_away(redis_client: Any, own_registry: Any) -> None:
    tags = Tags(redis_client, own_registry, "away")
    tags.release("one")
    own_registry.kill()
    with tags.registry, pytest.raises(Errored, match="does not answer"):
        tags.settle()
