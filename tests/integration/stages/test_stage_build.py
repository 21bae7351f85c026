"""The build stage on a real engine and registry."""

import json
import shutil
from dataclasses import replace
from typing import Any

import pytest

from farm.definition import Build, Definition, Release
from farm.errors import Canceled, Errored, Failed
from farm.pipeline import Status
from farm.registry import Registry
from workers import build, cache
from workers.workspace import Workspace

pytestmark = [pytest.mark.engine, pytest.mark.registry]


def test_a_commit_becomes_an_image_in_the_registry(repository, workspace, engine, images, client):
    files = {"Dockerfile": f"FROM {images.busybox}\nCOPY . /app\n", "a": "1", "b.log": "2", ".dockerignore": "*.log\n"}
    commit = repository.commit(files)
    work = workspace(commit)
    outcome = build.run(work)
    image = outcome.document()["image"]
    name, _, digest = image.partition("@")
    assert name == work.repository
    assert client.digest(work.claim.image_repository, f"build-{commit[:12]}") == digest
    assert client.digest(work.claim.image_repository, "build") == digest
    made = engine.images.get(image)
    assert made.id == outcome.document()["image_id"]
    assert made.labels["org.opencontainers.image.revision"] == commit
    assert made.labels["org.opencontainers.image.source"] == repository.url
    assert made.labels["org.opencontainers.image.title"] == work.claim.image_repository
    assert "org.opencontainers.image.created" in made.labels
    assert not any(label.startswith("farm.id") for label in made.labels)
    found = engine.containers.run(image, ["ls", "-A", "/app"], remove=True).decode().split()
    assert sorted(found) == [".dockerignore", "Dockerfile", "a"]
    assert image in work.log.text


def test_arguments_target_and_folder(repository, workspace, engine, images):
    dockerfile = f"FROM {images.busybox} AS one\nARG WHO\nRUN echo $WHO >/who\nFROM one AS two\nRUN false\n"
    commit = repository.commit({"sub/docker/file": dockerfile})
    chosen = Build(context="sub", dockerfile="docker/file", target="one", args={"WHO": "me"})
    outcome = build.run(workspace(commit, Definition(build=chosen)))
    assert engine.containers.run(outcome.document()["image"], ["cat", "/who"], remove=True) == b"me\n"


def test_the_labels_and_more_tags_of_a_definition_are_the_images(repository, workspace, engine, images, client):
    commit = repository.commit({"Dockerfile": f"FROM {images.busybox}\n"})
    labels = {"org.opencontainers.image.licenses": "MIT", "org.opencontainers.image.title": "Thyme"}
    work = workspace(commit, Definition(build=Build(labels=labels, tags=("dev-main", "ci-7"))))
    image = build.run(work).document()["image"]
    made = engine.images.get(image).labels
    assert {name: made[name] for name in labels} == labels
    assert made["org.opencontainers.image.revision"] == commit
    digest = image.partition("@")[2]
    assert [client.digest(work.claim.image_repository, tag) for tag in ("dev-main", "ci-7")] == [digest] * 2


def test_a_step_that_fails_is_the_pushed_codes_fault(repository, workspace, images, said):
    commit = repository.commit({"Dockerfile": f"FROM {images.busybox}\nRUN echo hello; exit 3\n"})
    with pytest.raises(Failed, match="exit code 3"):
        build.run(workspace(commit))
    assert "hello" in said.text


def test_no_dockerfile(repository, workspace):
    commit = repository.commit({"a": "1"})
    with pytest.raises(
        Failed, match=rf'^no Dockerfile at "Dockerfile" in {commit[:7]}; add one or set build.dockerfile$'
    ):
        build.run(workspace(commit))


def test_a_commit_that_is_gone(repository, workspace):
    repository.commit({"a": "1"})
    with pytest.raises(Failed, match="commit 1111111 is gone"):
        build.run(workspace("1" * 40))


def test_a_registry_that_is_down(repository, workspace, images, ports):
    commit = repository.commit({"Dockerfile": f"FROM {images.busybox}\n"})
    with Registry(f"127.0.0.1:{ports(1)[0]}") as nobody, pytest.raises(Errored, match="registry"):
        build.run(workspace(commit, registry=nobody))


def test_a_cancel_stops_the_build(repository, workspace, images, said):
    commit = repository.commit({"Dockerfile": f"FROM {images.busybox}\nRUN echo beg''un; sleep 60\n"})

    def check():
        if "begun" in said.text:
            raise Canceled("canceled")

    with pytest.raises(Canceled):
        build.run(workspace(commit, check=check))


def test_the_newest_image_of_a_ref_or_of_the_default_branch_is_its_cache(repository, workspace, images):
    def work(ref: str, **chosen: Any) -> Workspace:
        laid_out = workspace(commit, Definition(build=Build(**chosen)))
        return replace(laid_out, claim=replace(laid_out.claim, ref=ref, default_branch="trunk"))

    commit = repository.commit({"Dockerfile": f"FROM {images.busybox}\nCOPY . /app\n"})
    trunk, feature, other, own = (f"refs/heads/{name}" for name in ("trunk", "feature", "other", "own"))
    assert cache.sources(work(trunk)) == []
    image = build.run(work(trunk)).document()["image"]
    commit = repository.commit({"a": "1"})
    newer = build.run(work(feature)).document()["image"]

    assert cache.sources(work(trunk)) == [image]
    assert cache.sources(work(feature)) == [newer]
    assert cache.sources(work(other)) == [image]
    assert cache.sources(work(other, cache=("feature", "trunk", "gone"))) == [newer, image]

    stranger = work(trunk)
    assert cache.sources(replace(stranger, claim=replace(stranger.claim, repository="basil"))) == []

    commit = repository.commit({"a": "2"})
    build.run(work(own, cache=None))
    assert cache.sources(work(own, cache=None)) is None
    assert cache.sources(work(own)) == [image]


def test_no_build_moves_a_tag_of_a_release(repository, workspace, images, client):
    commit = repository.commit({"Dockerfile": f"FROM {images.busybox}\n"})
    owners = {"owned": "thyme refs/heads/stable"}
    for tag in ("latest", "build", "owned", "v1"):
        definition = Definition(build=Build(tags=(tag,)), release=Release(tags=("v1",)))
        work = workspace(commit, definition, owner_of=lambda tag: owners.get(tag, ""))
        words = rf"^build.tags: `{tag}` belongs to releases (of thyme refs/heads/stable|and the)"
        with pytest.raises(Failed, match=words):
            build.run(work)
        assert client.digest(work.claim.image_repository, f"build-{commit[:12]}") is None


def test_a_tag_that_was_released_during_the_build_stays(repository, workspace, images, client):
    commit = repository.commit({"Dockerfile": f"FROM {images.busybox}\n"})
    answers = iter(["", "thyme refs/heads/stable"])
    work = workspace(commit, Definition(build=Build(tags=("dev",))), owner_of=lambda _: next(answers))
    with pytest.raises(Failed, match="belongs to releases of thyme refs/heads/stable"):
        build.run(work)
    assert client.digest(work.claim.image_repository, "dev") is None


def test_a_cache_that_cannot_be_had_costs_time_alone(repository, workspace, images, own_registry, engine):
    with Registry(own_registry.host) as client:
        commit = repository.commit({"Dockerfile": f"FROM {images.busybox}\nCOPY . /app\n"})
        work = workspace(commit, registry=client)
        image = build.run(work).document()["image"]
        engine.images.remove(engine.images.get(image).id, force=True)
        manifest = client.manifest(work.claim.image_repository, "build")
        lost = json.loads(manifest.body)["config"]["digest"].removeprefix("sha256:")
        shutil.rmtree(own_registry.folder / "data/docker/registry/v2/blobs/sha256" / lost[:2] / lost)

        outcome = build.run(workspace(repository.commit({"a": "1"}), registry=client))
        assert outcome.status is Status.PASSED
        assert "warning: this build begins without a cache: image" in work.log.text
        engine.images.remove(engine.images.get(outcome.document()["image"]).id, force=True)
