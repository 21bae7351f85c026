"""An attempt at a step with secrets, on a real record and engine: what the farm keeps of it shows none."""

import gc
import json
import zlib
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from farm.definition import Build, Definition, Job
from farm.errors import Errored, Failed
from farm.home import new_key
from farm.logs import Logs
from farm.pipeline import Status
from farm.secrets import Secrets
from farm.settings import Settings
from tests.records import CHAIN, MAIN, Farm, oid
from workers.attempt import Ended, attempt
from workers.docker import DockerEngine
from workers.tools import Tools

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine]

VALUE = "correct-horse-battery"


class Door:
    """A worker's tools, and a record in which the test of a pipeline is next."""

    def __init__(self, settings: Settings, client: Any, repository: Any) -> None:
        self.tools, self.farm = Tools.connect(settings), Farm(client)
        self.redis, self.repository = client, repository
        self.secrets = Secrets(client, settings.secret_keys)

    def open(self, definition: Definition, commit: str = "", *, protected: bool, ref: str = MAIN) -> int:
        push = replace(self.farm.push("-", "a", ref=ref), new=commit or oid("a"))
        [number] = self.farm.enter(push)
        steps = [step for step in CHAIN if step.stage != "release"]
        assert self.farm.record.open(
            number,
            definition=definition.model_dump_json(),
            steps=steps,
            image_repository="thyme",
            protected=protected,
        )
        return number

    def try_(self, number: int, step: str) -> Ended:
        with ExitStack() as teardown:
            return attempt(self.tools, number, step, teardown)

    def log(self, number: int, step: str = "test") -> str:
        return "".join(self.tools.logs.text(number, step))


def kept(client: Any) -> str:
    """Return all that Redis holds, logs unpacked, without the secrets' own place."""
    raw = Logs(client).redis
    found: list[bytes] = []
    for key in raw.scan_iter():
        kind = raw.type(key)
        if key.startswith(b"farm:secrets:"):
            continue
        if kind == b"hash":
            found += [part for pair in raw.hgetall(key).items() for part in pair]
        elif kind == b"stream":
            found += [part for _, entry in raw.xrange(key) for pair in entry.items() for part in pair]
        elif kind == b"string":
            found.append(raw.get(key))
        elif kind == b"zset":
            found += raw.zrange(key, 0, -1)
        elif kind == b"set":
            found += raw.smembers(key)
    text = b""
    for part in found:
        try:
            text += zlib.decompress(part)
        except zlib.error:
            text += part
    raw.connection_pool.disconnect()
    return text.decode(errors="replace")


@pytest.fixture
def door(*, redis_server, redis_client, registry, repository, farm_id, monkeypatch):
    keys = new_key()
    monkeypatch.setenv("FARM_SECRET_KEYS", keys)
    home = repository.tree.parent / "home"
    settings = Settings(
        home=home,
        farm_id=farm_id,
        redis_url=redis_server.url,
        registry=registry.host,
        secret_keys=(keys,),
        worker_name="w1@here",
    )
    door = Door(settings, redis_client, repository)
    yield door
    door.farm.logs.close()
    door.tools.logs.close()
    door.tools.registry.close()
    door.tools.record.redis.close()
    del door
    gc.collect()


def test_what_a_job_prints_and_how_it_ends_show_no_secret(door, images):
    door.secrets.set("thyme", "TOKEN", VALUE, unprotected=False, who="ada")
    script = ('printf "%s" "$TOKEN" | cut -c1-9; echo "it is $TOKEN"', '"no-such-$TOKEN"')
    job = Job(script=script, image=images.busybox, secrets=("TOKEN",))
    number = door.open(Definition(jobs={"test": job}), protected=True)
    door.farm.pass_step(number, "build")
    ended = door.try_(number, "test")
    assert ended.status is Status.FAILED
    assert "no-such-***" in str(ended.reason)
    assert "it is ***\n" in door.log(number)
    held = kept(door.redis)
    assert "it is ***" in held
    assert VALUE not in held
    document = json.dumps(door.farm.record.pipeline(number).document())
    assert "no-such-***" in document
    assert VALUE not in document


def test_a_ref_that_is_not_protected_is_told_so_and_one_with_leave_is_not(door, images):
    door.secrets.set("thyme", "TOKEN", VALUE, unprotected=False, who="ada")
    job = Job(script=('test "$TOKEN" = ' + VALUE,), image=images.busybox, secrets=("TOKEN",))
    side = "refs/heads/side"
    refused = door.open(Definition(jobs={"test": job}), protected=False, ref=side)
    door.farm.pass_step(refused, "build")
    assert door.try_(refused, "test").reason == (
        "the secret TOKEN is only given on protected refs, and side is none; let it run on those alone (`when`), or"
        " give it to every ref: farm secret set thyme TOKEN --unprotected"
    )
    assert door.farm.status(refused) is Status.FAILED
    door.secrets.set("thyme", "TOKEN", VALUE, unprotected=True, who="ada")
    door.farm.record.retry(refused, "ada", failed=True)
    assert door.try_(refused, "test").status is Status.PASSED


def test_a_machine_without_the_key_leaves_the_step_to_another(door, images, monkeypatch):
    door.secrets.set("thyme", "TOKEN", VALUE, unprotected=False, who="ada")
    monkeypatch.setenv("FARM_SECRET_KEYS", new_key())
    build = Build(secrets=("TOKEN",))
    number = door.open(
        Definition(build=build, jobs={"test": Job(script=("true",), image=images.busybox)}), protected=True
    )
    ended = door.try_(number, "build")
    assert ended.status is Status.PENDING
    assert "no key on this machine opens the secret TOKEN of thyme" in str(ended.reason)


@pytest.mark.parametrize(("fault", "status"), [(Failed, Status.FAILED), (Errored, Status.PENDING)])
def test_what_a_builder_says_and_blames_shows_no_secret(door, fault, status):
    class Indiscreet(DockerEngine):
        def build(self, context: Any, spec: Any, *, log: Any, check: Any) -> Any:  # noqa: ARG002
            log(b"it was given " + spec.secrets["TOKEN"][:7])
            log(spec.secrets["TOKEN"][7:] + b"\n")
            raise fault(f"{spec.secrets['TOKEN'].decode()} does not open the door")

    commit = door.repository.commit({"Dockerfile": "FROM scratch\n"})
    door.farm.ledger.register("thyme", door.repository.url, "main", {}, moved=True)
    door.secrets.set("thyme", "TOKEN", VALUE, unprotected=False, who="ada")
    door.tools = replace(door.tools, engine=Indiscreet())
    number = door.open(Definition(build=Build(secrets=("TOKEN",))), commit, protected=True)
    ended = door.try_(number, "build")
    assert (ended.status, ended.reason) == (status, "*** does not open the door")
    assert "it was given ***\n" in door.log(number, "build")
    held = kept(door.redis)
    assert "*** does not open the door" in held
    assert VALUE not in held
