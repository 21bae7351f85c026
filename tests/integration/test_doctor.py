"""`farm doctor`: each thing that is wrong is named, with the line that mends it."""

import contextlib
import os
import subprocess
import time
from pathlib import Path

import pytest
from redis import Redis

from farm.artifacts import Store
from farm.cli import ground, parts
from farm.home import new_key
from farm.ledger import Ledger
from farm.record import Record, WorkerInfo
from farm.secrets import Secrets
from farm.settings import Settings
from tests.programs import run
from tests.records import Farm


@pytest.fixture
def variables(tmp_path, redis_server, registry):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")}
    return {
        **environment,
        "FARM_HOME": str(tmp_path),
        "FARM_ID": "0123456789ab",
        "FARM_REDIS_URL": redis_server.url,
        "FARM_REGISTRY": registry.host,
    }


def doctor(variables, *arguments: Path):
    ran = run(["doctor", "--json", *arguments], env=variables)
    assert ran.out, ran.err
    found = {each["name"]: each for each in reversed(ran.document)}  # of several the first
    assert ran.code == any(each["verdict"] == "error" for each in found.values())
    return found


@pytest.fixture
def farm(redis_client):
    farm = Farm(redis_client)
    yield farm
    farm.logs.close()


def beat(client):
    host = os.uname().nodename
    Record(client, lease=9).beat(WorkerInfo("w1@here", host, 2, queues=("build", "test", "release")))


@pytest.mark.redis
@pytest.mark.registry
@pytest.mark.engine
def test_a_build_machine_that_lacks_nothing(variables, redis_client, engine):  # noqa: ARG001 - one is needed
    beat(redis_client)
    key = new_key()
    Secrets(redis_client, [key]).set("thyme", "TOKEN", "hunter22", unprotected=False, who="ada")
    found = doctor({**variables, "FARM_SECRET_KEYS": key})
    assert {each["verdict"] for each in found.values()} <= {"ok", "warning"}, found
    assert found.keys() >= {
        "redis",
        "redis aof",
        "redis memory",
        "clock",
        "registry",
        "engine",
        "trust",
        "worker",
        "secrets",
    }


@pytest.mark.redis
@pytest.mark.registry
def test_everything_that_is_wrong_is_said_at_once(variables, redis_client):
    redis_client.config_set("appendonly", "no")
    redis_client.config_set("maxmemory", "64mb")
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    Secrets(redis_client, [new_key()]).set("thyme", "TOKEN", "hunter22", unprotected=False, who="ada")
    found = doctor({**variables, "DOCKER_HOST": "unix:///nowhere/docker.sock", "FARM_REGISTRY": "127.0.0.1:1"})
    wrong = {name: each["mend"] for name, each in found.items() if each["verdict"] == "error"}
    assert wrong.keys() == {"redis aof", "redis memory", "registry", "engine", "worker", "secrets"}
    assert "appendonly yes" in wrong["redis aof"]
    assert "noeviction" in wrong["redis memory"]
    assert "systemctl start docker" in wrong["engine"]


@pytest.mark.redis
@pytest.mark.registry
def test_redis_that_is_away_hides_nothing_else(variables, redis_server):
    redis_server.kill()
    found = doctor(variables)
    assert found["redis"]["verdict"] == "error"
    assert found["registry"]["verdict"] == "ok"
    assert "worker" not in found


def test_the_hook_and_the_push_options_of_a_repository(tmp_path):
    bare = tmp_path / "thyme.git"
    subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True)
    mends = [finding.mend for finding in ground.hooks([bare], [])]
    assert f"git -C {bare} config receive.advertisePushOptions true" in mends
    assert f"farm hook install {bare}" in mends
    assert [finding.verdict for finding in ground.hooks([tmp_path / "none.git"], [])] == ["error"]
    registered = ground.Repository("thyme", str(bare), "main", "", 0.0)
    by_another_way = tmp_path / "x" / ".." / "thyme.git"
    (tmp_path / "x").mkdir()
    assert len([*ground.hooks([by_another_way], [registered])]) == len(mends)


@pytest.mark.redis
def test_a_clock_that_is_off_and_a_queue_that_nobody_serves(redis_server, tmp_path, monkeypatch):
    settings = Settings(home=tmp_path, redis_url=redis_server.url)
    with contextlib.closing(Redis.from_url(redis_server.url, decode_responses=True)) as client:
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 60)
        (clock,) = (finding for finding in parts.store(settings, client) if finding.name == "clock")
        assert (clock.verdict, clock.mend) == ("error", "timedatectl set-ntp true")
        monkeypatch.undo()
        record = Record(client, lease=9)
        (alone,) = parts.queues(record)
        assert "no worker is heard of" in alone.words
        beat(client)
        (well,) = parts.queues(record)
        assert well.verdict == "ok"


@pytest.mark.redis
def test_a_queue_whose_only_worker_is_drained_is_led_to_that_worker(farm):
    farm.record.beat(WorkerInfo("w1@there", "there", 2, queues=("build",)))
    farm.record.drain("w1@there", "ada")
    farm.open()
    drained, waiting = parts.queues(farm.record)
    assert drained.mend == "farm workers drain w1@there --undo"
    assert waiting.words == "1 step waits in `build`, from which no worker takes"
    assert waiting.mend == "see the line of w1@there"


@pytest.mark.redis
def test_an_engine_that_only_other_machines_need_is_no_error(farm):
    found = [parts.Finding.error("trust", "no", "this"), parts.Finding.ok("engine", "yes")]
    assert [*parts.elsewhere(farm.record, found)] == found  # nobody at all works yet
    farm.record.beat(WorkerInfo("w1@there", "there", 2, queues=("build",)))
    spare, well = parts.elsewhere(farm.record, found)
    assert (spare.verdict, spare.mend) == ("warning", "this")
    assert "no worker of this machine is heard of" in spare.words
    assert well == found[1]
    beat(farm.record.redis)
    assert [*parts.elsewhere(farm.record, found)] == found


def test_a_home_that_others_may_open_is_named(tmp_path):
    tmp_path.chmod(0o755)
    assert [finding.mend for finding in ground.exposed(tmp_path)] == [f"chmod 700 {tmp_path}"]
    tmp_path.chmod(0o750)
    assert [*ground.exposed(tmp_path), *ground.exposed(tmp_path / "none")] == []


def test_passwords_that_others_may_read_are_named(tmp_path):
    for name, mode in (("state.json", 0o644), ("join.env", 0o600), ("worker.env", 0o640)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    mends = [finding.mend for finding in ground.exposed(tmp_path)]
    assert mends == [f"chmod 600 {tmp_path}/{name}" for name in ("state.json", "worker.env")]


def test_artifacts_that_cannot_be_kept_are_said():
    config = {"file": "farm.yml", "problem": None, "waiting": [], "artifacts": Store("nothing://x").trouble()}
    (finding,) = parts.taken(config)
    assert (finding.name, finding.verdict) == ("artifacts", "error")
    assert "nothing://x" in finding.words
    assert finding.mend.startswith("see `artifacts` in farm.yml")


def test_a_repository_that_cannot_be_read_is_named_without_its_password(tmp_path):
    repository = ground.Repository("thyme", "https://ada:secret@127.0.0.1:1/thyme.git", "main", "", 0.0)
    (finding,) = ground.access([repository], ground.Settings(home=tmp_path))
    assert finding.verdict == "error"
    assert "secret" not in f"{finding.words} {finding.mend}"
    assert [*ground.disk("disk", tmp_path / "elsewhere", 1)] == []
    assert [finding.verdict for finding in ground.disk("disk", tmp_path, 1 << 60)] == ["error"]


@pytest.mark.redis
@pytest.mark.registry
def test_a_file_with_mistakes_is_named_and_the_rest_is_looked_at_all_the_same(variables, redis_client, tmp_path):
    beat(redis_client)
    Ledger(redis_client, 9.0).register("thyme", "http://127.0.0.1:1/thyme.git", "main", {})
    (tmp_path / "farm.yml").write_text("slotz: 3\nlease: 0\n")
    found = doctor(variables)
    assert "git thyme" not in found  # what opens it stands in that file
    assert found["settings"]["verdict"] == "error"
    assert "farm.yml:1:1" in found["settings"]["words"]
    assert "1 more" in found["settings"]["words"]
    assert found["registry"]["verdict"] == "ok"
