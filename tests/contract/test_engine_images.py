"""What an engine promises about images and registries."""

import json

import httpx
import pytest

from farm.errors import Errored, Failed, LeaseLost
from workers.engine import BuildSpec

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.usefixtures("images")]

DOCKERFILE = """FROM farm-test/busybox:local
LABEL one=1
ENV WORD="a b" EMPTY=
EXPOSE 8080 53/udp
HEALTHCHECK CMD test -e /ready
ENTRYPOINT ["echo"]
CMD ["hello"]
"""


def calm():
    return None


@pytest.fixture
def pushed(hands, context, registry, name):
    """An image that was built and pushed: (repository, image id, digest)."""
    repository = f"{registry.host}/{name}"
    spec = BuildSpec(tags=(f"{repository}:build-1",))
    built = hands.build(context({"Dockerfile": DOCKERFILE}), spec, log=lambda _: None, check=calm)
    digest = hands.push(built.image_id, repository, ("build-1", "build"), check=calm)
    yield repository, built.image_id, digest
    for reference, _ in hands.images(repository):
        hands.remove_image(reference)


def forget(hands, repository):
    for reference, _ in hands.images(repository):
        assert hands.remove_image(reference)


def test_a_pushed_image_is_under_every_tag_with_the_digest_that_was_told(pushed, registry):
    repository, image_id, digest = pushed
    path = repository.removeprefix(f"{registry.host}/")
    accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    for tag in ("build-1", "build"):
        answer = httpx.get(f"{registry.url}/v2/{path}/manifests/{tag}", headers=accept)
        assert answer.headers["Docker-Content-Digest"] == digest
        assert json.loads(answer.text)["config"]["digest"] == image_id


def test_an_image_is_pulled_by_digest_only_if_it_is_not_here(pushed, hands):
    repository, image_id, digest = pushed
    reference = f"{repository}@{digest}"
    assert hands.pull(reference, check=calm).id == image_id
    forget(hands, repository)
    assert hands.image(reference) is None

    lines = []
    image = hands.pull(reference, check=calm, log=lines.append)

    assert image.id == image_id
    assert reference in image.digests
    assert b"".join(lines)
    hands.remove_image(reference)


def test_an_image_says_what_it_is(pushed, hands):
    image = hands.image(pushed[1])
    assert image.labels == {"one": "1"}
    assert image.env["WORD"] == "a b"
    assert image.env["EMPTY"] == ""
    assert image.ports == (53, 8080)
    assert image.entrypoint == ("echo",)
    assert image.command == ("hello",)
    assert image.healthcheck == ("/bin/sh", "-c", "test -e /ready")


def test_images_of_a_repository_are_listed_and_taken_away(pushed, hands):
    repository = pushed[0]
    assert {name for name, _ in hands.images(repository)} == {f"{repository}:build", f"{repository}:build-1"}
    assert hands.images(repository[:-1]) == []
    forget(hands, repository)
    assert hands.image(pushed[1]) is None
    assert hands.remove_image(f"{repository}:build")


def test_an_image_that_loses_its_only_name_to_a_new_build_is_gone(pushed, hands, context):
    repository, image_id, _ = pushed
    hands.remove_image(f"{repository}:build")
    spec = BuildSpec(tags=(f"{repository}:build-1",))
    hands.build(context({"Dockerfile": f"{DOCKERFILE}LABEL two=2\n"}), spec, log=lambda _: None, check=calm)
    assert hands.image(image_id) is None


@pytest.mark.parametrize("reference", ["none:1", "none@sha256:" + "0" * 64, "Upper:1"])
def test_an_image_that_nobody_has_is_their_fault(hands, registry, reference):
    with pytest.raises(Failed, match=rf"^image {registry.host}/{reference} cannot be pulled: .*; check its name"):
        hands.pull(f"{registry.host}/{reference}", check=calm)


def test_a_registry_that_is_down_is_our_fault(hands, ports, pushed):
    dead = f"127.0.0.1:{ports(1)[0]}/none"
    with pytest.raises(Errored, match=rf"image {dead}:1 cannot be pulled: a registry does not answer"):
        hands.pull(f"{dead}:1", check=calm)
    with pytest.raises(Errored, match="a registry does not answer"):
        hands.push(pushed[1], dead, ("1",), check=calm)
    hands.remove_image(f"{dead}:1")


def test_a_lost_lease_stops_a_pull_from_a_registry_that_hangs(hands, own_registry):
    own_registry.freeze()
    beats = []

    def check():
        beats.append(1)
        if len(beats) == 3:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        hands.pull(f"{own_registry.host}/none:1", check=check)
    own_registry.thaw()
