"""Whether an engine is there, where its data lies, and that what it keeps for later has a limit."""

import os
import shutil
import time

import pytest

from farm import git
from farm.git.mirror import locked
from farm.settings import Settings
from workers import cleanup
from workers.docker import DockerEngine
from workers.engine import BuildSpec

pytestmark = pytest.mark.engine


def test_an_engine_that_is_there_answers_and_says_where_its_data_lies(hands):
    assert hands.answers()
    assert shutil.disk_usage(hands.info().root).free


def test_an_engine_that_is_not_there_does_not_answer(tmp_path):
    assert not DockerEngine(f"unix://{tmp_path}/none.sock").answers()


def test_the_repositories_of_a_registry_are_named(hands, context, name):
    tag = f"localhost:5/{name}/deep:build-1"
    hands.build(
        context({"Dockerfile": "FROM scratch\nLABEL a=b\n"}), BuildSpec(tags=(tag,)), log=print, check=lambda: 0
    )
    try:
        assert f"localhost:5/{name}/deep" in hands.repositories("localhost:5")
        assert hands.repositories(f"localhost:5/{name}") == [f"localhost:5/{name}/deep"]
        assert hands.repositories("localhost") == []
        assert hands.images(f"localhost:5/{name}/deep")
    finally:
        hands.remove_image(tag)


def test_a_cache_below_its_limit_is_left_alone(hands, context, name):
    tag, said = f"localhost:5/{name}:build-1", []
    files = {"Dockerfile": f"FROM scratch\nCOPY {name} /\n", name: name}

    def build():
        said.clear()
        hands.build(context(files), BuildSpec(tags=(tag,)), log=said.append, check=lambda: 0)
        hands.remove_image(tag)  # what an image needs would stay anyway
        return b"(cached)" in b"".join(said)

    assert not build()
    hands.trim_cache(1 << 50)
    assert build()


def test_the_mirrors_that_were_unused_for_longest_go(tmp_path):
    for age, name in enumerate(("new", "group/old", "older", "oldest")):
        folder = tmp_path / "mirrors" / f"{name}.git"
        (folder / "objects" / "x.git" / "objects").mkdir(parents=True)
        (folder / "objects" / "pack").write_bytes(b"x" * (1 << 20))
        used(folder, 7200 + 60 * age)
    assert git.trim(tmp_path, 5 << 20) == 0
    assert git.trim(tmp_path, 3 << 20) == 2  # a little more than a megabyte each
    assert left(tmp_path) == ["group/old.git", "new.git"]
    used(tmp_path / "mirrors" / "group" / "old.git", 60)
    assert git.trim(tmp_path, 0) == 1
    assert left(tmp_path) == ["group/old.git"], "what was used a moment ago may still be read"


def test_a_mirror_that_cannot_be_deleted_holds_up_nothing_else(tmp_path):
    trimmed = []

    class Watched(DockerEngine):
        def trim_cache(self, keep):
            trimmed.append(keep)
            super().trim_cache(keep)

    folder = tmp_path / "mirrors" / "stuck.git"
    (folder / "objects").mkdir(parents=True)
    used(folder, 7200)
    folder.with_suffix(".lock").mkdir()
    settings = Settings(home=tmp_path, registry="localhost:5", mirrors_max=0, build_cache_max=1 << 50)
    with pytest.raises(IsADirectoryError):
        cleanup.trim(Watched(), settings)
    assert trimmed == [1 << 50]


def test_a_mirror_that_somebody_fetches_into_stays(tmp_path):
    folder = tmp_path / "mirrors" / "busy.git"
    (folder / "objects").mkdir(parents=True)
    used(folder, 7200)
    with locked(folder, lambda: None):
        assert git.trim(tmp_path, 0) == 0
    assert git.trim(tmp_path, 0) == 1


def used(folder, ago):
    os.utime(folder, (time.time() - ago,) * 2)


def left(home):
    return sorted(str(mirror.relative_to(home / "mirrors")) for mirror in git.mirrors(home))
