"""Images of a real registry that nobody needs go, by their digests; all others stay."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from farm.errors import Errored
from farm.garbage import Garbage, Removed
from farm.pipeline import Status
from farm.push import ZERO, Push
from farm.registry import MEDIA_TYPES, Manifest, Registry
from tests.records import CHAIN, Farm

pytestmark = [pytest.mark.redis, pytest.mark.registry]

FARM = "0123456789ab"


class Images:
    """A farm whose builds put real images into a real registry."""

    def __init__(self, farm: Farm, registry: Registry, name: str) -> None:
        self.farm, self.registry, self.name = farm, registry, name
        self.garbage = Garbage(farm.record, registry, FARM, keep=1)
        self.last = 0
        self.tips: dict[str, str] = {}

    def upload(self, words: str, *tags: str, number: int = 0, farm_id: str = FARM) -> str:
        """Put a smallest image into the registry and return its digest."""
        labels = {"farm.built.by": farm_id, "farm.built.pipeline": str(number)}
        config = json.dumps({"comment": words, "config": {"Labels": labels}}).encode()
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        with httpx.Client(base_url=f"http://{self.registry.address}", trust_env=False) as http:
            place = httpx.URL(http.post(f"/v2/{self.name}/blobs/uploads/").headers["location"])
            assert http.put(place.copy_add_param("digest", digest), content=config).status_code == 201
        part = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
        return self.put({"mediaType": MEDIA_TYPES[1], "config": part, "layers": []}, *tags)

    def put(self, document: dict[str, Any], *tags: str) -> str:
        body = json.dumps({"schemaVersion": 2, **document}).encode()
        manifest = Manifest(f"sha256:{hashlib.sha256(body).hexdigest()}", document["mediaType"], body)
        for tag in tags or (manifest.digest,):
            self.registry.put(self.name, tag, manifest)
        return manifest.digest

    def push(self, ref: str = "refs/heads/main") -> int:
        """Enter a push and open its pipeline."""
        self.last += 1
        number = self.enter(ref, f"{self.last:040x}")
        self.farm.record.open(number, definition="{}", steps=CHAIN, image_repository=self.name)
        return number

    def enter(self, ref: str, new: str) -> int:
        update = Push(f"uuid-{ref}-{new}", "thyme", ref, self.tips.get(ref, ZERO), new)
        self.tips[ref] = new
        return self.farm.ledger.enter("thyme", [update])[0].number

    def build(self, number: int) -> str:
        """Build: the image goes into the registry under the commit's tag and `build`, then into the record."""
        digest = self.upload(f"image of {number}", f"build-{number:012x}", "build", number=number)
        image = f"{self.registry.address}/{self.name}@{digest}"
        self.farm.record.commit(self.farm.claim(number, "build"), Status.PASSED, result={"image": image})
        return digest

    def fail(self, number: int) -> str:
        digest = self.build(number)
        self.farm.record.commit(self.farm.claim(number, "test"), Status.FAILED, reason="no")
        return digest

    def release(self, number: int, tag: str = "latest") -> str:
        digest = self.build(number)
        self.farm.pass_step(number, "test")
        claim = self.farm.claim(number, "release")
        assert self.farm.record.release_begin(claim, tag).go
        self.registry.tag(self.name, digest, tag)
        self.farm.record.release_done(claim, tag)
        self.farm.record.commit(claim, Status.PASSED)
        return digest

    def old(self, number: int, days: float = 8) -> None:
        """Let a pipeline be finished so long ago."""
        self.farm.redis.hset(f"farm:pipeline:{number}", "finished", self.farm.now() - days * 86400)

    def there(self, digest: str) -> bool:
        return self.registry.manifest(self.name, digest) is not None


@pytest.fixture
def images(redis_client: Any, registry: Any, request: pytest.FixtureRequest) -> Iterator[Images]:
    farm = Farm(redis_client)
    with Registry(registry.host) as client:
        yield Images(farm, client, request.node.name.replace("_", "-"))
    farm.logs.close()


def test_what_no_tag_holds_goes_with_its_build_tag(images: Images) -> None:
    numbers = [images.push() for _ in range(4)]
    digests = [images.release(number) for number in numbers]
    assert [each.number for each in images.garbage.collect(dry_run=True)] == numbers[:3]
    assert all(images.there(digest) for digest in digests)
    gone = images.garbage.collect()
    assert gone == [
        Removed(images.name, digest, number, (f"build-{number:012x}",))
        for number, digest in zip(numbers[:3], digests[:3], strict=True)
    ]
    assert [images.there(digest) for digest in digests] == [False, False, False, True]
    assert sorted(images.registry.tags(images.name)) == ["build", f"build-{numbers[3]:012x}", "latest"]
    assert images.registry.digest(images.name, "latest") == digests[3]
    assert images.garbage.collect() == []


def test_the_newest_and_the_newest_releases_stay(images: Images) -> None:
    garbage = Garbage(images.farm.record, images.registry, FARM, keep=2)
    released = [images.release(images.push()) for _ in range(3)]
    topics = [images.push(f"refs/heads/topic{k}") for k in range(3)]
    built = [images.fail(number) for number in topics]
    for k, number in enumerate(topics):
        images.old(number)
        images.farm.record.close(images.enter(f"refs/heads/topic{k}", ZERO), Status.SKIPPED, "the branch was deleted")
    garbage.collect()
    assert [images.there(digest) for digest in released] == [False, True, True]  # what a rollback goes to
    assert [images.there(digest) for digest in built] == [False, True, True]


def test_what_runs_or_may_be_retried_stays(images: Images) -> None:
    running, failed, long_ago, newest_of_topic = (
        images.push(),
        images.push(),
        images.push(),
        images.push("refs/heads/topic"),
    )
    digests = [images.build(running), images.fail(failed), images.fail(long_ago), images.fail(newest_of_topic)]
    images.old(long_ago)
    images.old(newest_of_topic)
    images.release(images.push())
    images.garbage.collect()
    assert [images.there(digest) for digest in digests] == [True, True, False, True]
    (wake,) = images.farm.record.retry(failed, "jo")
    assert [step.name for step in wake.steps] == ["test", "release"]
    (wake,) = images.farm.record.retry(long_ago, "jo")
    assert [step.name for step in wake.steps] == ["build", "test", "release"]


def test_what_a_foreign_tag_holds_stays(images: Images) -> None:
    mine, part, free = (images.release(images.push()) for _ in range(3))
    images.release(images.push())
    images.registry.tag(images.name, mine, "customer-7")
    manifests = [{"mediaType": MEDIA_TYPES[1], "digest": part, "size": 2}]
    images.put({"mediaType": MEDIA_TYPES[0], "manifests": manifests}, "many-platforms")
    images.garbage.collect()
    assert [images.there(digest) for digest in (mine, part, free)] == [True, True, False]
    assert images.registry.digest(images.name, "customer-7") == mine


def test_a_released_tag_stays_whatever_the_registry_says_now(images: Images) -> None:
    """A late write put an old image under `latest`; the digest that it shall have is not touched."""
    old, new = images.release(images.push()), images.release(images.push())
    images.farm.redis.zrem(f"farm:images:{images.name}", new)  # not even as one of the newest
    images.registry.tag(images.name, old, "latest")
    images.garbage.collect()
    assert images.there(new)


def test_strays_go_if_they_are_ours_and_over(images: Images) -> None:
    """A worker was lost between its push and its commit."""
    over, running = images.push(), images.push()
    images.farm.record.cancel(over, "jo")
    stray = images.upload("stray", "build-aaaaaaaaaaaa", number=over)
    wanted = images.upload("soon committed", "build-bbbbbbbbbbbb", number=running)
    foreign = images.upload("of another farm", "build-cccccccccccc", number=over, farm_id="f" * 12)
    images.release(images.push())
    images.garbage.collect()
    assert [images.there(digest) for digest in (stray, wanted, foreign)] == [False, True, True]


def test_a_forgotten_pipeline_leaves_its_image_to_this(images: Images) -> None:
    numbers = [images.push(), images.push()]
    digests = [images.release(number) for number in numbers]
    images.farm.record.forget(days=0, keep=1)
    assert [each.number for each in images.garbage.collect()] == numbers[:1]
    assert [images.there(digest) for digest in digests] == [False, True]


def test_an_image_stays_while_any_pipeline_that_built_it_runs(images: Images) -> None:
    """Two builds may give the same digest; the list has the newer pipeline's number."""
    runs, over, newest = (images.push() for _ in range(3))
    digest = images.upload("of both", "build-aaaaaaaaaaaa")
    for number in (runs, over):
        image = f"{images.registry.address}/{images.name}@{digest}"
        images.farm.record.commit(images.farm.claim(number, "build"), Status.PASSED, result={"image": image})
    images.farm.record.commit(images.farm.claim(over, "test"), Status.FAILED, reason="no")
    images.old(over)
    images.release(newest)
    assert images.garbage.collect() == []
    assert images.there(digest)


def test_what_is_built_again_while_others_go_stays(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry of an old pipeline builds the very same image, for all its layers are still in a cache."""
    first, second, _ = (images.push() for _ in range(3))
    for number in (first, second):
        images.release(number)
    newest = images.release(images.push())
    delete, again = images.registry.delete, [second]

    def slow(repository: str, digest: str) -> bool:
        if again:
            images.farm.redis.zrem(f"farm:images:{images.name}", rebuilt)
            images.farm.record.retry(again.pop(), "jo")
            assert images.build(second) == rebuilt
        return delete(repository, digest)

    rebuilt = str(images.farm.record.pipeline(second).image).partition("@")[2]
    monkeypatch.setattr(images.registry, "delete", slow)
    assert [each.number for each in images.garbage.collect()] == [first]
    assert images.there(rebuilt)
    assert images.there(newest)


def test_a_rollback_never_counts_on_what_went(images: Images) -> None:
    old, new = images.push(), images.push()
    digest = images.release(old)
    images.release(new)
    images.farm.record.rollback(images.name, "latest", old, "jo")
    images.garbage.collect()
    assert images.there(digest)


def test_a_registry_that_deletes_nothing(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    old, _ = images.release(images.push()), images.release(images.push())

    def refuse(*_: Any) -> bool:
        raise Errored("the registry refused DELETE: 405 unsupported")

    monkeypatch.setattr(images.registry, "delete", refuse)
    with pytest.raises(Errored, match="unsupported"):
        images.garbage.collect()
    assert old in images.farm.record.images()[images.name]


def test_a_registry_that_is_away(redis_client: Any, own_registry: Any) -> None:
    farm = Farm(redis_client)
    with Registry(own_registry.host) as client:
        images = Images(farm, client, "away")
        numbers = [images.push(), images.push()]
        for number in numbers:
            images.release(number)
        own_registry.kill()
        with pytest.raises(Errored, match="does not answer"):
            images.garbage.collect()
        assert len(farm.record.images()["away"]) == 2
    farm.logs.close()


def test_those_that_cannot_be_deleted_hold_up_no_other_and_none_is_forgotten(
    redis_client: Any, registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = Farm(redis_client)
    with Registry(registry.host) as client:
        broken, whole = Images(farm, client, "resists-broken"), Images(farm, client, "resists-whole")
        whole.tips, whole.last = broken.tips, 100
        held = [broken.release(broken.push()) for _ in range(4)]
        gone, _ = whole.release(whole.push()), whole.release(whole.push())
        delete = client.delete

        def refuse(repository: str, digest: str) -> bool:
            if digest in held[:2]:
                raise Errored("the registry refused DELETE: 500")
            return delete(repository, digest)

        monkeypatch.setattr(client, "delete", refuse)
        with pytest.raises(Errored, match="refused DELETE"):
            whole.garbage.collect()
        assert [broken.there(digest) for digest in held] == [True, True, False, True]
        assert set(farm.record.images()[broken.name]) == {held[0], held[1], held[3]}
        assert not whole.there(gone)
    farm.logs.close()


def test_the_disk_is_freed_as_the_page_says(redis_client: Any, own_registry: Any, need: Any) -> None:
    """The registry stands still, collects, and goes on with what is left."""
    farm = Farm(redis_client)
    with Registry(own_registry.host) as client:
        images = Images(farm, client, "freed")
        gone, kept = images.release(images.push()), images.release(images.push())
        images.garbage.collect()
        blobs = own_registry.folder / "data/docker/registry/v2/blobs/sha256"
        before = len(list(blobs.glob("*/*")))
        own_registry.stop()
        program, config = need("docker-registry", "registry"), own_registry.folder / "registry.yml"
        subprocess.run([program, "garbage-collect", str(config)], check=True, capture_output=True)
        own_registry.start()
        assert before - len(list(blobs.glob("*/*"))) == 2  # the manifest and its config
        assert client.digest("freed", "latest") == kept
        assert client.labels("freed", kept)["farm.built.by"] == FARM
        assert not images.there(gone)
    farm.logs.close()
