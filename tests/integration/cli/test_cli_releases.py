"""`farm retry`, `releases`, `rollback` and `gc` against a real API, record and registry."""

import getpass
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from farm import reconcile
from farm.access import hashed
from farm.cli import releases
from farm.client import Client
from farm.errors import Refused
from farm.loops import Loop, Loops
from farm.pipeline import Status
from farm.registry import Registry
from tests import programs
from tests.integration.test_garbage import Images
from tests.programs import run

pytestmark = [pytest.mark.redis, pytest.mark.registry]

ME = getpass.getuser()


@pytest.fixture
def image_registry(registry: Any) -> str:
    return str(registry.host)


@pytest.fixture
def images(farm: Any, registry: Any) -> Iterator[Images]:
    with Registry(registry.host) as client:
        yield Images(farm, client, "cli-releases")
        for digest in {client.digest("cli-releases", tag) for tag in list(client.tags("cli-releases"))} - {None}:
            client.delete("cli-releases", str(digest))


@pytest.fixture
def follows(images: Images) -> Iterator[None]:
    """Let the registry follow the record, as the dispatcher's loop does."""
    loops = Loops(
        images.farm.record.hold, [Loop("tags", partial(reconcile.settle_tags, images.farm.record, images.registry))]
    )
    loops.start()
    yield
    loops.stop()


def test_retry_says_what_runs_again(cli, farm):
    number = farm.open()
    farm.pass_step(number, "build")
    farm.record.commit(farm.claim(number, "test"), Status.FAILED, reason="no")
    ran = cli("retry", number)
    assert ran.out == f"farm: pipeline #{number} runs again: test -> release\n  farm watch {number}\n"
    assert f"pushed by jo, retried by {ME}, " in cli("show", number).out
    document = cli("show", number, "--json").document
    assert (document["round"], document["retried_by"]) == (2, ME)
    again = cli("retry", number, "--failed")
    assert (again.code, again.err) == (2, f"error: #{number} is not over yet; cancel it first or wait\n")
    assert "no pipeline #99" in cli("retry", 99).err


def test_retry_of_what_never_had_steps(cli, farm):
    number = farm.enter(farm.push("-", "a"))[0]
    farm.record.close(number, Status.ERRORED, "git cannot read")
    assert "from its definition on" in cli("retry", number).out


def test_nothing_was_released(cli):
    ran = cli("releases", "thyme")
    assert (ran.code, ran.out, ran.err) == (0, "", "nothing of thyme was released yet\n")
    for asked in (("releases", "tyme"), ("list", "-r", "tyme")):
        ran = cli(*asked)
        assert (ran.code, ran.err) == (2, "error: no repository 'tyme' is registered; there is thyme\n")
    assert cli("releases", "--json").document == []
    ran = cli("rollback", "thyme")
    assert (ran.code, ran.err.partition(";")[0]) == (2, "error: thyme:latest was never released by this farm")


@pytest.mark.usefixtures("follows")
def test_back_and_forth(cli, images):
    old, new = images.push(), images.push()
    first, second = images.release(old), images.release(new)
    ran = cli("rollback", "thyme")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"farm: cli-releases:latest is #{old} {first}\n  a push after #{new} moves it again\n"
    assert images.registry.digest(images.name, "latest") == first
    shown = cli("releases", "thyme").out.splitlines()
    assert shown[0] == f"cli-releases:latest  #{old}  {first[:19]}  main  rolled back, newest #{new}"
    assert [line.split()[0] for line in shown[1:]] == [f"#{old}", f"#{new}", f"#{old}"]
    assert "rolled back" in shown[1]
    assert f"ago by {ME}" in shown[1]
    (document,) = cli("releases", "--json").document
    assert {key: document[key] for key in ("repository", "ref", "image", "tag", "number", "newest", "who", "kind")} == {
        "repository": "thyme",
        "ref": "refs/heads/main",
        "image": "cli-releases",
        "tag": "latest",
        "number": old,
        "newest": new,
        "who": ME,
        "kind": "rollback",
    }
    assert [entry["number"] for entry in document["history"]] == [old, new, old]
    again = cli("rollback", "thyme")
    assert (again.code, again.err.partition(";")[0]) == (
        2,
        f"error: cli-releases:latest was nothing else before #{old}",
    )
    onward = cli("rollback", "cli-releases", new, "--json")
    assert (onward.code, onward.document["number"], onward.document["confirmed"]) == (0, new, True)
    assert images.registry.digest(images.name, "latest") == second
    assert "#7777 never released cli-releases:latest" in cli("rollback", "thyme", 7777).err


def impatient() -> None:
    """Be the program, but wait for the registry no longer than a moment."""
    releases.PATIENCE = 0.5
    programs.farm()


def test_a_rollback_that_the_registry_does_not_follow(cli, images):
    old, new = images.push(), images.push()
    images.release(old)
    images.release(new)
    how = {"be": impatient, "cwd": cli.folder, "env": cli.env}
    ran = run(["rollback", "thyme"], **how)
    assert ran.code == 2
    assert f"shall be #{old}, but the registry has not followed; see the dispatcher's log" in ran.err
    assert "the registry has not followed yet" in cli("releases", "thyme").out
    forward = run(["rollback", "thyme", new, "--json"], **how)
    assert (forward.code, forward.document["confirmed"], f"shall be #{new}" in forward.err) == (2, False, True)


def test_gc(cli, images):
    numbers = [images.push() for _ in range(3)]
    digests = [images.release(number) for number in numbers]
    dry = cli("gc", "--dry-run")
    assert dry.out.splitlines()[-1] == "farm: 2 images would go"
    assert all(images.there(digest) for digest in digests)
    ran = cli("gc", "--json")
    assert [row["number"] for row in ran.document] == numbers[:2]
    assert [images.there(digest) for digest in digests] == [False, False, True]
    assert cli("gc").out == "farm: 0 images removed; docs/releases.md frees the disk\n"


def test_a_hook_may_look_and_not_act(cli, farm, images):
    number = images.push()
    images.release(number)
    farm.redis.hset("farm:repository:thyme", "token_hash", hashed("hook"))
    with Client(cli.environment["FARM_URL"], "hook") as client:
        assert [row["tag"] for row in client.releases(repository="thyme")] == ["latest"]
        for act in (
            client.releases,
            lambda: client.releases(repository="cli-releases"),
            lambda: client.retry(number, "eve"),
            lambda: client.rollback("thyme", "eve"),
            lambda: client.collect("eve"),
        ):
            with pytest.raises(Refused, match="token"):
                act()
    assert farm.status(number) is Status.PASSED
