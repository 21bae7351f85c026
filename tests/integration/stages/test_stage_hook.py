"""Hooks behind the release: a script in the image on the real engine, a URL over real HTTP, each once for an image."""

import hashlib
import json
import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest

from farm.decision import steps
from farm.definition import Definition, Hook, Job, Release
from farm.errors import Errored, LeaseLost
from farm.ledger import Ledger
from farm.pipeline import Status
from farm.push import ZERO, Push
from farm.record import Claim, Record
from tests.receiver import Answer, Receiver, receiving
from workers import hook
from workers.workspace import Workspace

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine]


class Farm:
    """A record whose pushes are opened, built, tested and released in no time."""

    def __init__(self, client: Any) -> None:
        self.ledger, self.record, self.last = Ledger(client), Record(client), ZERO
        self.ledger.register("thyme", "/srv/thyme.git", "main", {})

    def released(self, one: Hook, image: str) -> Claim:
        old, self.last = self.last, hashlib.sha1(uuid.uuid4().bytes).hexdigest()
        push = Push(str(uuid.uuid4()), "thyme", "refs/heads/main", old, self.last)
        [entry] = self.ledger.enter("thyme", [push])
        definition = Definition(jobs={"test": Job(script=("true",))}, release=Release(after={"deploy": one}))
        self.record.open(
            entry.number,
            definition=definition.model_dump_json(),
            steps=steps(definition, release=True),
            image_repository="thyme",
        )
        build = self.record.claim(entry.number, "build", "w1")
        self.record.commit(build, Status.PASSED, result={"image": image})
        self.release(entry.number)
        return self.record.claim(entry.number, "release/deploy", "w1")

    def release(self, number: int) -> None:
        self.record.commit(self.record.claim(number, "test", "w1"), Status.PASSED)
        claim = self.record.claim(number, "release", "w1")
        assert self.record.release_begin(claim, "latest").go
        self.record.release_done(claim, "latest")
        self.record.commit(claim, Status.PASSED, result={"released": ["latest"]})


@pytest.fixture
def farm(redis_client: Any) -> Farm:
    return Farm(redis_client)


@pytest.fixture(scope="module")
def image(engine: Any, images: Any, registry: Any) -> Iterator[str]:
    name = f"{registry.host}/t{secrets.token_hex(4)}"
    engine.images.build(fileobj=BytesIO(f"FROM {images.busybox}\nLABEL of={name}\n".encode()), tag=f"{name}:x", rm=True)
    engine.images.push(name, "x")
    [digest] = [each for each in engine.images.get(f"{name}:x").attrs["RepoDigests"] if each.startswith(f"{name}@")]
    yield str(digest)
    engine.images.remove(f"{name}:x", force=True)


@pytest.fixture
def lay_out(workspace: Callable[..., Workspace]) -> Callable[[Claim], Workspace]:
    def lay_out(claim: Claim) -> Workspace:
        work = workspace("1" * 40, Definition.model_validate_json(claim.definition), step="release/deploy")
        return replace(work, claim=claim)

    return lay_out


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(lambda _: Answer(204, b"")) as server:
        yield server


def test_a_script_runs_in_the_image_that_was_released_and_only_once(farm, lay_out, image, said):
    claim = farm.released(Hook(script=("echo $A $FARM_RELEASE $FARM_TAGS $FARM_IMAGE",), env={"A": "a"}), image)
    outcome = hook.run(lay_out(claim), farm.record)
    digest = image.partition("@")[2]
    assert (outcome.status, said.text) == (Status.PASSED, f"a {claim.number}-{digest} latest {image}\n")
    farm.record.commit(claim, outcome.status)
    assert farm.record.pipeline(claim.number).status is Status.PASSED
    farm.record.retry(claim.number, "ada")
    farm.release(claim.number)
    again = farm.record.claim(claim.number, "release/deploy", "w2")
    outcome = hook.run(lay_out(again), farm.record)
    assert (outcome.status, outcome.reason) == (Status.PASSED, "it ran already for this image")
    assert said.text.count("latest") == 1


def test_a_script_that_fails_leaves_the_image_released_and_can_be_tried_again(farm, lay_out, image, said):
    claim = farm.released(Hook(script=("echo tried; exit 3",)), image)
    outcome = hook.run(lay_out(claim), farm.record)
    farm.record.commit(claim, outcome.status, reason=outcome.reason)
    pipeline = farm.record.pipeline(claim.number)
    sentence = "deploy: script ended with exit code 3; the image stays released"
    assert (pipeline.status, pipeline.reason, pipeline.released) == (Status.FAILED, sentence, ("latest",))
    farm.record.retry(claim.number, "ada", failed=True)
    hook.run(lay_out(farm.record.claim(claim.number, "release/deploy", "w1")), farm.record)
    assert said.text.count("tried") == 2


def test_a_script_has_the_secrets_that_it_names(farm, lay_out, image):
    claim = farm.released(Hook(script=('test "$KEY" = word',), secrets=("KEY",)), image)
    assert hook.run(replace(lay_out(claim), secrets={"KEY": "word"}), farm.record).status is Status.PASSED


def test_a_url_hears_what_was_released(farm, lay_out, receiver):
    digest = "sha256:" + "a" * 64
    claim = farm.released(Hook(url=f"{receiver.url}/hooks"), f"r/thyme@{digest}")
    assert hook.run(lay_out(claim), farm.record).status is Status.PASSED
    [request] = receiver.requests
    assert (request.path, request.headers["farm-delivery"]) == ("/hooks", f"{claim.number}-{digest}")
    body = json.loads(request.body)
    assert (body["pipeline"], body["tags"], body["image"]) == (claim.number, ["latest"], f"r/thyme@{digest}")
    assert hook.run(lay_out(claim), farm.record).reason == "it ran already for this image"
    assert len(receiver.requests) == 1


def test_a_redirect_is_not_followed(farm, lay_out, receiver):
    receiver.answers = [Answer(307, b"", {"Location": f"{receiver.url}/elsewhere"})]
    claim = farm.released(Hook(url=receiver.url), "r/thyme@sha256:" + "b" * 64)
    outcome = hook.run(lay_out(claim), farm.record)
    assert (outcome.status, outcome.reason) == (
        Status.FAILED,
        "deploy: 127.0.0.1 answered 307; the image stays released",
    )
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("answer", [503, 429, None])
def test_what_another_try_may_mend_is_tried_again(farm, lay_out, receiver, answer):
    receiver.answers = [Answer(answer)]
    url = receiver.url if answer else "http://127.0.0.1:1/"
    claim = farm.released(Hook(url=url), "r/thyme@sha256:" + "c" * 64)
    with pytest.raises(Errored, match=r"^deploy: 127\.0\.0\.1 .*; the image stays released$"):
        hook.run(lay_out(claim), farm.record)
    if answer:
        assert hook.run(lay_out(claim), farm.record).status is Status.PASSED


def test_no_hook_runs_for_an_image_that_a_newer_release_has_replaced(farm, lay_out, receiver):
    late = farm.released(Hook(url=receiver.url), "r/thyme@sha256:" + "d" * 64)
    farm.released(Hook(url=receiver.url), "r/thyme@sha256:" + "e" * 64)
    outcome = hook.run(lay_out(late), farm.record)
    assert (outcome.status, outcome.reason) == (Status.SKIPPED, "another release has the tags by now")
    assert receiver.requests == []


def test_a_worker_that_lost_the_hook_calls_nobody(farm, lay_out, receiver):
    claim = farm.released(Hook(url=receiver.url), "r/thyme@sha256:" + "f" * 64)
    with pytest.raises(LeaseLost):
        hook.run(lay_out(replace(claim, fence=claim.fence - 1)), farm.record)
    assert receiver.requests == []
