"""`farm secret` and its API: values go in by standard input, and come out nowhere."""

import socket
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from farm.access import hashed
from farm.cli import app
from farm.home import choose_state, keep_keys, new_key, open_state, read_state
from farm.membership import invitation_file, membership_file, parse, read_membership, write
from farm.record import WorkerInfo
from farm.secrets import Secrets
from tests.integration.cli.conftest import Ran

pytestmark = pytest.mark.redis

VALUE = "correct-horse-battery"
MAIN = "refs/heads/main"


@pytest.fixture
def home(cli) -> Path:
    """Give the farm's home, with a state in it as `farm up` leaves it."""
    home = Path(cli.environment["FARM_HOME"])
    open_state(home, choose_state(home), "")
    return home


@pytest.fixture(autouse=True)
def same_redis(cli, redis_server) -> None:
    """Let the program find the Redis of the test, which a state knows by another port."""
    cli.more["FARM_REDIS_URL"] = redis_server.url


def keys(home: Path) -> list[str]:
    state = read_state(home)
    assert state
    return state.secret_keys.split(",")


@pytest.fixture
def run(cli) -> Any:
    """Give `run("secret", "list")`: the program within this process, because to start it takes most of its time."""

    def run(*arguments: str, given: bytes = b"") -> Ran:
        environment = {name: value for name, value in cli.env.items() if name.startswith("FARM_")}
        result = CliRunner().invoke(app, arguments, input=given, env=environment)
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


def keep(farm: Any, keys: Sequence[str], name: str = "TOKEN") -> None:
    """Keep a secret without the program, which takes its time to start."""
    Secrets(farm.redis, keys).set("thyme", name, VALUE, unprotected=False, who="ada")


def test_a_secret_is_set_listed_and_removed(cli, run, home, farm):
    told = cli("secret", "set", "thyme", "TOKEN", given=f"{VALUE}\n".encode())
    assert (told.code, told.out) == (0, "farm: TOKEN of thyme is set, for protected refs\n")
    set_ = run("secret", "set", "thyme", "OPEN", "--unprotected", given=b"another value")
    assert set_.out.endswith("farm: OPEN of thyme is set, for every ref\n")  # the API logs into the same stream here
    listed = run("secret", "list", "thyme")
    assert [line.split("  ")[0] for line in listed.out.splitlines()] == ["OPEN", "TOKEN"]
    assert "protected refs" in listed.out
    document = run("secret", "list", "thyme", "--json").document
    assert [(each["name"], each["unprotected"]) for each in document] == [("OPEN", True), ("TOKEN", False)]
    assert all(each.keys() == {"name", "unprotected", "who", "changed"} for each in document)
    kept = Secrets(farm.redis, keys(home)).given("thyme", ["TOKEN"], MAIN, protected=True)
    assert kept == {"TOKEN": VALUE}
    assert run("secret", "remove", "thyme", "TOKEN").out.endswith("farm: TOKEN of thyme is gone\n")
    again = run("secret", "remove", "thyme", "TOKEN")
    assert (again.code, "has no secret TOKEN" in again.err) == (2, True)


def test_what_is_refused_says_why_and_never_the_value(run):
    short = run("secret", "set", "thyme", "TOKEN", given=b"xyz\n")
    assert (short.code, "fewer than 4 characters" in short.err, "xyz" in short.err) == (2, True, False)
    keyless = run("secret", "set", "thyme", "TOKEN", given=VALUE.encode())
    assert (keyless.code, "the farm has no key for secrets" in keyless.err, VALUE in keyless.err) == (2, True, False)


def test_only_the_farms_own_token_sees_to_secrets_and_no_answer_has_a_value(cli, home, farm):  # noqa: ARG001
    farm.ledger.register("thyme", "file:///srv/thyme.git", "main", {}, hashed("hook"))
    place = f"{cli.environment['FARM_URL']}/repositories/thyme/secrets"
    body = {"value": VALUE, "who": "ada"}
    for token, code in (("hook", 403), ("other", 401), ("all", 200)):
        headers = {"Authorization": f"Bearer {token}"}
        answers = [
            httpx.put(f"{place}/TOKEN", json=body, headers=headers),
            httpx.get(place, headers=headers),
            httpx.delete(f"{place}/TOKEN", params={"who": "ada"}, headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [code] * 3
        assert not any(VALUE in answer.text for answer in answers)
    headers = {"Authorization": "Bearer all"}
    wrong = httpx.put(f"{place}/TOKEN", json={"value": [VALUE], "who": "ada"}, headers=headers)
    short = httpx.put(f"{place}/TOKEN", json={"value": "xyz", "who": "ada"}, headers=headers)
    gone = httpx.delete(f"{place}/TOKEN", headers=headers)  # whoever it is
    assert (wrong.status_code, short.status_code, gone.status_code) == (422, 422, 404)
    assert VALUE not in wrong.text
    assert "xyz" not in short.text


def test_a_farm_that_builds_alone_rotates_at_once(run, home, farm):
    [old] = keys(home)
    keep(farm, [old])
    told = run("secret", "rotate")
    assert told.out == "farm: 1 secret sealed with the new key; no older one opens any\n", told.err
    [new] = keys(home)
    assert new != old
    assert Secrets(farm.redis, [new]).given("thyme", ["TOKEN"], MAIN, protected=True) == {"TOKEN": VALUE}
    assert parse(invitation_file(home).read_text(), "")["FARM_SECRET_KEYS"] == new
    assert stat.S_IMODE((home / "state.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(invitation_file(home).stat().st_mode) == 0o600


def test_where_other_machines_build_the_old_key_stays_until_they_have_the_new_one(run, home, farm):
    [old] = keys(home)
    keep(farm, [old])
    for host in (socket.gethostname(), "h2"):
        farm.record.beat(WorkerInfo(name=f"w1@{host}", host=host, slots=1))
    told = run("secret", "rotate")
    assert told.code == 0, told.err
    assert "Let these join again: h2" in told.out
    assert f"farm join - < {invitation_file(home)}" in told.out
    new, kept = keys(home)
    assert kept == old
    assert parse(invitation_file(home).read_text(), "")["FARM_SECRET_KEYS"] == f"{new},{old}"
    keep(farm, [new, old], "YOUNG")
    for held in ([old], [new, old]):
        assert Secrets(farm.redis, held).given("thyme", ["TOKEN"], MAIN, protected=True) == {"TOKEN": VALUE}
    twice = run("secret", "rotate")
    assert (twice.code, "a new key is there already" in twice.err) == (2, True)
    assert run("secret", "rotate", "--finish").out.startswith("farm: 1 secret sealed")
    assert keys(home) == [new]


def test_keys_of_the_environment_are_the_operators_to_change(cli, run, farm):
    old, new = new_key(), new_key()
    cli.more["FARM_SECRET_KEYS"] = old
    keep(farm, [old])
    told = run("secret", "rotate")
    assert (told.code, "the keys of this farm come from FARM_SECRET_KEYS" in told.err) == (2, True)
    cli.more["FARM_SECRET_KEYS"] = f"{new},{old}"
    assert run("secret", "rotate", "--finish").out.startswith("farm: 1 secret sealed")
    assert Secrets(farm.redis, [new]).given("thyme", ["TOKEN"], MAIN, protected=True) == {"TOKEN": VALUE}


def test_a_home_of_an_older_farm_gets_a_key_when_it_is_started_again(tmp_path):
    state = keep_keys(tmp_path, choose_state(tmp_path), ())
    assert read_state(tmp_path).secret_keys == ""
    opened = open_state(tmp_path, state, "")
    assert len(opened.secret_keys) == 64
    assert open_state(tmp_path, opened, "") == opened


def test_a_machine_that_joins_again_gets_the_new_key_and_keeps_its_name(run, cli, redis_server, tmp_path):
    cli.more["FARM_HOME"] = str(tmp_path / "member")
    told = {"FARM_ID": "0" * 12, "FARM_REDIS_URL": redis_server.url, "FARM_REGISTRY": "127.0.0.1:9"}
    for key in (new_key(), new_key()):
        file = tmp_path / "join.env"
        write(file, told | {"FARM_SECRET_KEYS": key}, "x")
        options = ("--name", "gpu@h2", "--labels", "gpu") if not membership_file(tmp_path / "member").exists() else ()
        assert run("join", str(file), *options).code == 0
        kept = read_membership(tmp_path / "member")
        assert kept["FARM_SECRET_KEYS"] == key
        assert (kept["FARM_WORKER_NAME"], kept["FARM_LABELS"]) == ("gpu@h2", "gpu")
    assert stat.S_IMODE(membership_file(tmp_path / "member").stat().st_mode) == 0o600
