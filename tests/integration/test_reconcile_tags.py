"""Tags of a real registry are what the record says, whoever wrote them."""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from farm import reconcile
from farm.errors import Errored
from farm.ledger import Ledger
from farm.logs import Logs
from farm.loops import Loop, Loops
from farm.pipeline import Status, Step
from farm.push import ZERO, Push
from farm.record import Record
from farm.registry import Registry
from farm.report import Delivery, Desk

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
        claim = self.claim = self.record.claim(number, "release", "w1")
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
    poll(lambda: reconcile.settle_tags(tags.record, tags.registry) and tags.latest == new, deadline=20)


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


def test_what_is_no_longer_wanted_is_not_written(tags: Tags, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer release ends between what was read and what would be written: `latest` goes back for no moment."""
    tags.release("one")
    intent = tags.record.intents()[0]
    tags.registry.tag(tags.name, image(tags.url, tags.name, "stray"), "latest")
    manifest, written = tags.registry.manifest, []

    def slow(*arguments: Any) -> Any:
        monkeypatch.setattr(tags.registry, "manifest", manifest)
        found = manifest(*arguments)
        tags.release("two")
        monkeypatch.setattr(tags.registry, "put", lambda *written_: written.append(written_))
        return found

    monkeypatch.setattr(tags.registry, "manifest", slow)
    reconcile.settle(tags.record, tags.registry, intent, 1.0)
    assert written == []


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


def test_a_tag_that_the_registry_will_not_tell_of_holds_up_no_other(redis_client: Any, own_registry: Any) -> None:
    broken, whole = Tags(redis_client, own_registry, "broken"), Tags(redis_client, own_registry, "whole")
    broken.release("one")
    whole.last = broken.last
    old, new = whole.release("two"), whole.release("three")
    whole.registry.tag("whole", old, "latest")
    (link,) = own_registry.folder.rglob("broken/_manifests/tags/latest/current/link")
    link.write_text("no digest")
    redis_client.zadd("farm:tags", {"broken latest": 0, "whole latest": 1})
    with broken.registry, whole.registry:
        with pytest.raises(Errored, match="cannot be compared"):
            reconcile.settle_tags(whole.record, whole.registry)
        assert whole.latest == new


def drifts(tags: Tags) -> list[dict[str, str]]:
    """Return what reporters are told of tags that were put right."""
    return [fields for _, fields in tags.record.redis.xrange("farm:outbox") if fields["kind"] == "drift"]


def test_what_a_frozen_worker_lets_loose_is_put_right_within_five_seconds_and_told(tags: Tags, poll: Any) -> None:
    """It wakes up behind its last check, in the middle of its release; another worker and a newer push went by."""
    old = tags.release("one", put=False)
    loops = Loops(tags.record.hold, [Loop("tags", partial(reconcile.settle_tags, tags.record, tags.registry))])
    loops.start()
    try:
        poll(lambda: tags.latest == old)  # what the frozen one began is ended by the reconciler
        new = tags.release("two")
        poll(lambda: not tags.record.intents(due=True))
        tags.registry.tag(tags.name, old, "latest")
        poll(lambda: tags.latest == new, deadline=20)
        (told,) = poll(lambda: drifts(tags))
        number = tags.record.intents()[0].number
        assert told["pipeline"] == str(number)
        assert told["detail"] == f"{tags.name}:latest was {old} in the registry and is #{number} again"
        poll(lambda: tags.record.intents(due=True) == [])
        assert len(drifts(tags)) == 1
    finally:
        loops.stop()


def test_after_a_takeover_the_tag_is_read_again_and_again(tags: Tags) -> None:
    """The design's 1, 5 and 30 s: it is due a second after the intent, and then every few seconds without an end."""
    tags.release("one")
    new = tags.release("two", put=False)
    place = f"{tags.name} latest"
    due = tags.record.redis.zscore("farm:tags", place) - now(tags)
    assert due < 1
    looks = 0.0
    while looks < 30:
        tags.record.redis.zadd("farm:tags", {place: 0})
        reconcile.settle_tags(tags.record, tags.registry)
        pause = tags.record.redis.zscore("farm:tags", place) - now(tags)
        assert pause + reconcile.LOOK < 5
        looks += pause
        assert tags.latest == new


def test_a_drift_is_told_to_reporters(tags: Tags) -> None:
    class Listener:
        name, kinds, heard = "listener", ("drift",), []

        def tell(self, news: Any) -> None:
            self.heard.append((news.kind, news.pipeline.number, news.detail))

    delivery = Delivery(tags.record.redis, Listener(), Desk(tags.record, Logs(tags.record.redis)))
    delivery.join()
    old, _ = tags.release("one"), tags.release("two")
    tags.settle()
    tags.registry.tag(tags.name, old, "latest")
    tags.settle()
    delivery.deliver()
    number = tags.record.intents()[0].number
    assert Listener.heard == [
        ("drift", number, f"{tags.name}:latest was {old} in the registry and is #{number} again"),
    ]


def test_a_rollback_and_a_late_end_are_no_drift(tags: Tags) -> None:
    tags.release("one")
    tags.release("two", put=False)
    tags.settle()
    tags.record.rollback(tags.name, "latest", None, "jo")
    tags.settle()
    assert tags.record.intents()[0].confirmed
    assert drifts(tags) == []


def test_a_lost_image_is_told_once_and_built_again_by_a_retry(tags: Tags) -> None:
    digest = tags.release("one")
    number = tags.record.intents()[0].number
    tags.record.commit(tags.claim, Status.PASSED)
    tags.registry.delete(tags.name, digest)
    with capture_logs():
        tags.settle()
        tags.settle()
    (told,) = drifts(tags)
    assert told["detail"].endswith(f"(#{number}) is gone from the registry; `farm retry {number}` builds it again")
    (wake,) = tags.record.retry(number, "jo")
    assert [step.name for step in wake.steps] == ["build", "release"]


def test_a_thousand_tags_that_never_move_hold_up_none_that_does(tags: Tags, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a tag for each commit makes them."""
    monkeypatch.setattr(reconcile, "YOUNG", 0.0)
    tags.release("one")
    tags.release("two")
    keys = tags.record.redis
    row = keys.hgetall(f"farm:tag:{tags.name}:latest") | {"moves": "1"}
    with keys.pipeline() as pipe:
        for k in range(1000):
            pipe.hset(f"farm:tag:{tags.name}:c{k}", mapping=row)
            pipe.zadd("farm:tags", {f"{tags.name} c{k}": 0})
        pipe.zadd("farm:tags", {f"{tags.name} latest": 1})
        pipe.execute()
    asked: list[str] = []
    monkeypatch.setattr(tags.registry, "digest", lambda _, tag: asked.append(tag) or row["digest"])
    reconcile.settle_tags(tags.record, tags.registry)
    assert asked[0] == "latest"
    assert len(asked) == 1 + reconcile.STILL_ONES
    assert keys.zscore("farm:tags", f"{tags.name} latest") - now(tags) < 4
    assert keys.zscore("farm:tags", f"{tags.name} {asked[-1]}") - now(tags) > 15


def now(tags: Tags) -> float:
    seconds, micro = tags.record.redis.time()
    return float(seconds) + micro / 1e6
