"""What is left behind is found by its labels and taken away; what is not ours is never touched."""

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.definition import Definition, Job
from workers import cleanup
from workers.engine import BuildSpec, ContainerSpec
from workers.workspace import expiry

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine")]


@pytest.fixture
def foreign(engine: Any, images: Any) -> Iterator[Any]:
    """A container that no farm has made."""
    container = engine.containers.run(images.busybox, ["sleep", "600"], detach=True)
    yield container
    container.remove(force=True)


def leave(hands, owner, images):
    """Leave one object of each kind behind, all in use."""
    network = hands.create_network(owner)
    hands.start(ContainerSpec(owner, images.busybox, command=("sleep", "600"), network=network))


def fences(hands, owner):
    return sorted({item.owner.fence for item in hands.objects({"farm.id": owner.farm})})


def test_an_attempt_removes_what_older_ones_of_its_step_left_and_nothing_else(hands, owner, images, foreign):
    others = (replace(owner, step="test/other", fence=1), replace(owner, pipeline=217, fence=2))
    for each in (replace(owner, fence=5), replace(owner, fence=6), replace(owner, fence=8), *others):
        hands.create_network(each)
    leave(hands, replace(owner, fence=6), images)
    hands.create_network(owner)

    assert cleanup.remove_older(hands, owner) == 4

    assert fences(hands, owner) == [1, 2, 7, 8]
    foreign.reload()
    assert foreign.status == "running"


def test_a_sweep_removes_what_no_living_attempt_owns(hands, owner, images, foreign):
    leave(hands, owner, images)
    leave(hands, replace(owner, fence=8, expires=1), images)

    def alive(asked):
        return asked.fence == 8  # expired by the clock, yet at work

    assert cleanup.sweep(hands, owner.farm, alive) == 2

    assert fences(hands, owner) == [8]
    foreign.reload()
    assert foreign.status == "running"


def test_another_farm_keeps_what_has_not_expired(hands, owner):
    other = replace(owner, farm=secrets.token_hex(6))
    hands.create_network(owner)
    hands.create_network(replace(owner, fence=6, expires=int(time.time()) - 1))

    cleanup.sweep(hands, other.farm, lambda _: pytest.fail("not this farm's, so nobody knows"))

    assert fences(hands, owner) == [7]


def test_what_a_build_makes_expires_after_the_test_that_it_is_for():
    day = Definition(jobs={"test": Job(script=("sleep 86400",), timeout=86400.0)})
    assert expiry(day) > time.time() + 86400


def test_labels_without_the_name_are_not_enough(hands, owner, engine, images):
    # An image may carry any label, and every container of it inherits them.
    container = engine.containers.run(images.busybox, ["sleep", "600"], detach=True, labels=owner.labels())
    try:
        assert not hands.objects({"farm.id": owner.farm})
        assert cleanup.sweep(hands, owner.farm, lambda _: False) == 0
        container.reload()
        assert container.status == "running"
    finally:
        container.remove(force=True)


def test_unnamed_volumes_go_with_their_container(hands, owner, context, images, engine):
    tag = f"farm-test/{secrets.token_hex(4)}:a"
    files = {"Dockerfile": f"FROM {images.busybox}\nVOLUME /data\n"}
    hands.build(context(files), BuildSpec(tags=(tag,)), log=lambda _: None, check=lambda: None)
    container = hands.start(ContainerSpec(owner, tag, command=("sleep", "600")))
    volume = engine.containers.get(container).attrs["Mounts"][0]["Name"]

    cleanup.sweep(hands, owner.farm, lambda _: False)

    assert volume not in [each.id for each in engine.volumes.list()]
    hands.remove_image(tag)


def test_what_a_build_was_given_goes_with_it_also_if_it_was_killed(hands, owner):
    program = """
import time
from workers.docker import private
with private.folder() as folder:
    (folder / "0").write_text("a secret")
    print(folder, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as build:
        folder = Path(build.stdout.readline().strip())
        cleanup.sweep(hands, owner.farm, lambda _: True)
        assert (folder / "0").exists()
        assert folder.stat().st_mode & 0o77 == 0
        build.kill()
    cleanup.sweep(hands, owner.farm, lambda _: True)
    assert not folder.exists()


def test_old_images_go_and_the_newest_stay_though_all_have_the_same_layers(hands, context, images):
    repository, made = f"farm-test/{secrets.token_hex(4)}", []
    for minute in range(4):  # commits that change nothing of what is in the image
        spec = BuildSpec(
            tags=(f"{repository}:build-{minute}",),
            labels={"org.opencontainers.image.created": f"2026-11-26T14:0{minute}:00+00:00"},
        )
        files = {"Dockerfile": f"FROM {images.busybox}\nRUN echo {repository} > /n\n"}
        hands.build(context(files), spec, log=lambda _: None, check=lambda: None)
        made += spec.tags
    person = BuildSpec(tags=(f"{repository}:latest",))
    files = {"Dockerfile": f"FROM {made[0]}\n"}
    hands.build(context(files), person, log=lambda _: None, check=lambda: None)

    assert cleanup.trim_images(hands, repository, keep=2) == 2

    assert {name for name, _ in hands.images(repository)} == {*made[2:], f"{repository}:latest"}
    for name, _ in hands.images(repository):
        hands.remove_image(name)
