"""The release stage on a real registry and a real record."""

import hashlib
import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from farm import reconcile
from farm.decision import steps
from farm.definition import Definition, Job, Release
from farm.errors import Canceled, Errored, LeaseLost
from farm.ledger import Ledger
from farm.pipeline import Status
from farm.push import ZERO, Push
from farm.record import Claim, Record
from farm.registry import MEDIA_TYPES, Manifest, Registry
from workers import release
from workers.workspace import Workspace

pytestmark = [pytest.mark.redis, pytest.mark.registry]


def upload(client: Registry, repository: str, text: str) -> str:
    """Put an image of one blob into the registry and return its digest."""
    blob = text.encode()
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    with httpx.Client(base_url=f"http://{client.address}", trust_env=False) as http:
        place = httpx.URL(http.post(f"/v2/{repository}/blobs/uploads/").headers["location"])
        assert http.put(place.copy_add_param("digest", digest), content=blob).status_code == 201
    part = {"mediaType": "application/octet-stream", "digest": digest, "size": len(blob)}
    config = {**part, "mediaType": "application/vnd.oci.image.config.v1+json"}
    body = json.dumps({"schemaVersion": 2, "mediaType": MEDIA_TYPES[1], "config": config, "layers": [part]}).encode()
    manifest = Manifest(f"sha256:{hashlib.sha256(body).hexdigest()}", MEDIA_TYPES[1], body)
    client.put(repository, f"build-{text}", manifest)
    return manifest.digest


class Farm:
    """A record with one repository whose pushes are opened, built and tested in no time."""

    def __init__(self, redis_client, client: Registry, image_name: str) -> None:
        self.ledger, self.record = Ledger(redis_client), Record(redis_client)
        self.client, self.image = client, image_name
        self.ledger.register("thyme", "/srv/thyme.git", "main", {})
        self.last = ZERO

    def push(self, tags: tuple[str, ...] = ("latest",), ref: str = "refs/heads/main") -> int:
        new = hashlib.sha1(uuid.uuid4().bytes).hexdigest()
        old, self.last = (self.last, new) if ref == "refs/heads/main" else (ZERO, self.last)
        [entry] = self.ledger.enter("thyme", [Push(str(uuid.uuid4()), "thyme", ref, old, new)])
        definition = Definition(jobs={"test": Job(script=("true",))}, release=Release(tags=tags))
        self.record.open(
            entry.number,
            definition=definition.model_dump_json(),
            steps=steps(definition, release=True),
            image_repository=self.image,
        )
        return entry.number

    def tested(self, number: int) -> Claim:
        digest = upload(self.client, self.image, str(number))
        build = self.record.claim(number, "build", "w1@here")
        self.record.commit(build, Status.PASSED, result={"image": f"{self.client.address}/{self.image}@{digest}"})
        self.record.commit(self.record.claim(number, "test", "w1@here"), Status.PASSED)
        return self.record.claim(number, "release", "w1@here")


@pytest.fixture
def farm(redis_client, client, image_name) -> Farm:
    return Farm(redis_client, client, image_name)


@pytest.fixture
def lay_out(workspace) -> Callable:
    def lay_out(claim: Claim, **other: Any) -> Workspace:
        work = workspace("1" * 40, Definition.model_validate_json(claim.definition), step="release", **other)
        return replace(work, claim=claim)

    return lay_out


def digest_of(claim: Claim) -> str:
    return str(claim.image).partition("@")[2]


def test_the_tested_digest_gets_the_tags(farm, lay_out):
    claim = farm.tested(farm.push(("latest", "v7")))
    outcome = release.run(lay_out(claim), farm.record)
    assert outcome.status is Status.PASSED
    assert outcome.document() == {"released": ["latest", "v7"], "digest": digest_of(claim)}
    assert farm.client.digest(farm.image, "latest") == digest_of(claim)
    assert farm.client.digest(farm.image, "v7") == digest_of(claim)
    farm.record.commit(claim, outcome.status, result=outcome.document())
    assert farm.record.pipeline(claim.number).released == ("latest", "v7")


def test_an_older_push_never_moves_the_tag_back(farm, lay_out):
    older, newer = farm.push(("latest", "x")), farm.push(("latest",))
    late, early = farm.tested(older), farm.tested(newer)
    release.run(lay_out(early), farm.record)
    outcome = release.run(lay_out(late), farm.record)
    assert outcome.document()["released"] == ["x"]
    assert outcome.reason == f"superseded by #{newer}"
    assert farm.client.digest(farm.image, "latest") == digest_of(early)


def test_a_push_whose_turn_has_passed_is_superseded(farm, lay_out):
    older, newer = farm.push(), farm.push()
    late, early = farm.tested(older), farm.tested(newer)
    release.run(lay_out(early), farm.record)
    outcome = release.run(lay_out(late), farm.record)
    assert (outcome.status, outcome.reason) == (Status.SUPERSEDED, f"superseded by #{newer}")
    farm.record.commit(late, outcome.status, reason=outcome.reason, result=outcome.document())
    assert farm.record.pipeline(older).status is Status.SUPERSEDED
    assert farm.record.pipeline(older).reason == outcome.reason


def test_a_tag_of_another_ref_is_refused_with_a_word(farm, lay_out):
    claim = farm.tested(farm.push(("latest",)))
    release.run(lay_out(claim), farm.record)
    other = farm.tested(farm.push(("latest",), ref="refs/heads/other"))
    outcome = release.run(lay_out(other), farm.record)
    assert outcome.status is Status.FAILED
    assert "belongs to refs/heads/main of thyme" in str(outcome.reason)
    assert farm.client.digest(farm.image, "latest") == digest_of(claim)


def test_a_canceled_pipeline_releases_nothing(farm, lay_out):
    claim = farm.tested(farm.push())
    farm.record.cancel(claim.number, "me")
    with pytest.raises(Canceled):
        release.run(lay_out(claim), farm.record)
    assert farm.client.digest(farm.image, "latest") is None


def test_a_registry_that_is_down_errs(farm, lay_out, ports):
    claim = farm.tested(farm.push())
    with Registry(f"127.0.0.1:{ports(1)[0]}") as nobody, pytest.raises(Errored, match="does not answer"):
        release.run(lay_out(claim, registry=nobody), farm.record)


def test_an_image_that_is_gone_errs(farm, lay_out):
    claim = farm.tested(farm.push())
    farm.client.delete(farm.image, digest_of(claim))
    with pytest.raises(Errored, match=r"is gone from the registry; `farm retry \d+` builds"):
        release.run(lay_out(claim), farm.record)


@pytest.mark.parametrize("moment", ["before its manifest", "after its manifest"])
def test_a_release_that_comes_in_between_wins(farm, lay_out, moment, said):
    """A newer push begins and ends its release while an older one puts its manifest: the older one says so."""
    older, newer = farm.push(), farm.push()
    late, early = farm.tested(older), farm.tested(newer)

    class Overtaken(Registry):
        def put(self, repository: str, reference: str, manifest: Manifest) -> None:
            if moment == "after its manifest":
                super().put(repository, reference, manifest)
            release.run(lay_out(early), farm.record)
            if moment == "before its manifest":
                super().put(repository, reference, manifest)

    with Overtaken(farm.client.address) as client:
        outcome = release.run(lay_out(late, registry=client), farm.record)
    assert (outcome.status, outcome.reason) == (Status.SUPERSEDED, f"superseded by #{newer}")
    assert outcome.document()["released"] == []
    assert said.text.count("released ") == 1
    due = farm.record.intents(due=True)
    wrong = farm.client.digest(farm.image, "latest") != digest_of(early)
    assert wrong == (moment == "before its manifest")
    assert not wrong or [intent.digest for intent in due] == [digest_of(early)]


def test_a_program_that_takes_the_tag_each_time_is_told_of(farm, lay_out):
    claim = farm.tested(farm.push())
    upload(farm.client, farm.image, "foreign")
    foreign = farm.client.manifest(farm.image, "build-foreign")

    class Shared(Registry):
        def put(self, repository: str, reference: str, manifest: Manifest) -> None:
            super().put(repository, reference, manifest)
            super().put(repository, reference, foreign)

    with Shared(farm.client.address) as client, pytest.raises(Errored, match="another program writes to it"):
        release.run(lay_out(claim, registry=client), farm.record)
    assert not farm.record.intents()[0].confirmed


def test_a_worker_that_froze_behind_its_intent_puts_nothing(farm, lay_out):
    """The step may be another's by now; so it is asked once more whether the lease holds, right before the manifest."""
    claim = farm.tested(farm.push())

    def guard() -> None:
        if farm.record.intents():
            raise LeaseLost("a whole lease went by")

    with pytest.raises(LeaseLost):
        release.run(lay_out(claim, guard=guard), farm.record)
    assert farm.client.digest(farm.image, "latest") is None


def test_a_put_that_a_frozen_worker_lets_loose_late_is_put_right(redis_client, client, image_name, lay_out, poll):
    """It freezes between its last check and its PUT; its step is taken over, a newer push is released, it wakes up."""
    farm = Farm(redis_client, client, image_name)
    farm.record = Record(redis_client, lease=0.5)
    number = farm.push()
    frozen = farm.tested(number)
    asleep, awake = threading.Event(), threading.Event()

    class Frozen(Registry):
        def put(self, *arguments: Any) -> None:
            asleep.set()
            assert awake.wait(100)
            super().put(*arguments)

    lost: list[Exception] = []

    def zombie() -> None:
        try:
            release.run(lay_out(frozen, registry=registry), farm.record)
        except LeaseLost as error:
            lost.append(error)

    with Frozen(client.address) as registry:
        thread = threading.Thread(target=zombie)
        thread.start()
        assert asleep.wait(60)
        heir = poll(lambda: taken_over(farm.record, number))
        assert release.run(lay_out(heir), farm.record).status is Status.PASSED
        farm.record.commit(heir, Status.PASSED)
        newest = farm.tested(farm.push())
        release.run(lay_out(newest), farm.record)
        assert client.digest(image_name, "latest") == digest_of(newest)
        awake.set()
        thread.join(60)
    assert "no longer owned" in str(lost[0])
    assert client.digest(image_name, "latest") == digest_of(frozen) != digest_of(newest)
    poll(
        lambda: reconcile.settle_tags(farm.record, client) and client.digest(image_name, "latest") == digest_of(newest)
    )
    (drift,) = [fields for _, fields in redis_client.xrange("farm:outbox") if fields["kind"] == "drift"]
    assert drift["pipeline"] == str(newest.number)


def taken_over(record: Record, number: int) -> Claim | None:
    record.reap()
    claim = record.claim(number, "release", "w2@there")
    return claim if claim.go else None
