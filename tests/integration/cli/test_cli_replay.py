"""`farm replay`: what failed in a pipeline runs again here, in the image and with the definition of that pipeline."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from farm.decision import steps
from farm.definition import parse
from farm.pipeline import Status
from tests.integration.cli.conftest import Cli
from tests.records import Farm
from workers.docker import DockerEngine

DEFINITION = """\
test:
  env: {MODE: fast}
  jobs:
    unit: exit 0
    vat:
      script: echo "$MODE $FARM_PIPELINE in $FARM_IMAGE"; nc -w 1 db 5432 < /dev/null && echo reached; exit 4
      services:
        db: {image: "BUSYBOX", command: nc -ll -p 5432 -e cat, ready: {port: 5432}}
"""


@pytest.fixture
def image(engine: Any, images: Any, registry: Any) -> Iterator[str]:
    """Push an image as the farm's build would, and take it off this engine again."""
    name = f"{registry.host}/t{secrets.token_hex(4)}"
    DockerEngine().push(engine.images.get(images.busybox).id, name, ["build"], check=lambda: None)
    digest = next(each for each in engine.images.get(f"{name}:build").attrs["RepoDigests"] if each.startswith(name))
    engine.images.remove(f"{name}:build")
    yield digest
    for left in (digest, f"{name}:build"):
        DockerEngine().remove_image(left)


@pytest.fixture
def broken(farm: Farm, image: str, images: Any) -> Callable[[], int]:
    """Enter a pipeline whose job `vat` has failed."""

    def enter() -> int:
        definition = parse(DEFINITION.replace("BUSYBOX", images.busybox))
        number = farm.enter(farm.push("-", "a"))[0]
        farm.record.open(
            number,
            definition=definition.model_dump_json(),
            steps=steps(definition, release=True),
            image_repository="thyme",
        )
        farm.record.commit(farm.claim(number, "build"), Status.PASSED, result={"image": image})
        farm.pass_step(number, "test/unit")
        farm.record.commit(farm.claim(number, "test/vat"), Status.FAILED, reason="script ended with exit code 4")
        return number

    return enter


def test_the_failed_job_runs_again_in_the_very_image(cli: Cli, broken: Callable[[], int], image: str) -> None:
    number = broken()
    ran = cli("replay", number)
    assert ran.code == 1, ran.err
    assert f"farm: replay of #{number} thyme main" in ran.out
    assert f"fast {number} in {image}\nreached\n" in ran.out
    assert "=== build" not in ran.out
    assert "test/unit" not in ran.out
    assert f"farm replay {number} vat --shell" in ran.out


def test_a_job_that_passed_can_be_named(cli: Cli, broken: Callable[[], int]) -> None:
    ran = cli("replay", broken(), "unit")
    assert ran.code == 0, ran.out + ran.err
    assert "✓ passed after" in ran.out


def test_what_cannot_be_replayed_is_told(cli: Cli, farm: Farm, broken: Callable[[], int]) -> None:
    number = broken()
    unknown = cli("replay", number, "nit")
    assert unknown.code == 2
    assert f"pipeline #{number} has no job 'nit'; it has unit, vat" in unknown.err
    early = farm.open("a", "b")
    assert f"pipeline #{early} has no image" in cli("replay", early).err
    assert "there is no pipeline #99" in cli("replay", 99).err


def test_a_checkout_is_fetched_from_where_the_repository_is(cli: Cli, farm: Farm, image: str, tmp_path: Any) -> None:
    bare = tmp_path / "srv.git"
    cli.git("init", "-q", "-b", "main", str(tmp_path / "work"))
    (tmp_path / "work" / "word.txt").write_text("fetched\n")
    cli.git("add", ".", cwd=tmp_path / "work")
    cli.git("commit", "-q", "-m", "x", cwd=tmp_path / "work")
    commit = cli.git("rev-parse", "HEAD", cwd=tmp_path / "work")
    cli.git("clone", "-q", "--bare", str(tmp_path / "work"), str(bare))
    farm.ledger.register("salt", str(bare), "main", {})
    definition = parse("test: {script: cat word.txt, checkout: /src}")
    push = farm.push("-", "a", repository="salt")
    number = farm.ledger.enter("salt", [replace(push, new=commit)], {})[0].number
    farm.record.open(
        number, definition=definition.model_dump_json(), steps=steps(definition, release=False), image_repository="salt"
    )
    farm.record.commit(farm.claim(number, "build"), Status.PASSED, result={"image": image})
    farm.record.commit(farm.claim(number, "test"), Status.FAILED, reason="x")
    ran = cli("replay", number)
    assert ran.code == 0, ran.out + ran.err
    assert "fetched\n" in ran.out
