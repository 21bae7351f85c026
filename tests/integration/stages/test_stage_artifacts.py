"""Artifacts from a container on the real engine, over real HTTP, into a store, and out of it again."""

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from structlog.testing import capture_logs

from farm.api import create
from farm.artifacts import Expiry, Store, unpack
from farm.cli.house import House
from farm.client import Client
from farm.decision import steps
from farm.definition import Definition, Job
from farm.definition.models import Artifacts
from farm.errors import Errored, Failed, LeaseLost, Refused
from farm.pipeline import Status
from farm.push import ZERO, Push
from farm.record import Claim, Record, Sent
from farm.settings import Settings
from farm.settings.live import Live
from workers import artifacts, test
from workers.workspace import Outcome

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine]
TOKEN = "admin-token"


class Farm:
    """A dispatcher's HTTP service in this process, and one repository."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.service = House(Live(settings)).service
        self.record, self.last = self.service.record, ZERO
        self.service.ledger.register("thyme", "/srv/thyme.git", "main", {})
        config = uvicorn.Config(create(self.service), port=int(settings.url.rpartition(":")[2]), log_level="error")
        self.server = uvicorn.Server(config)

    def claim(self, job: Job) -> Claim:
        old, self.last = self.last, hashlib.sha1(uuid.uuid4().bytes).hexdigest()
        push = Push(str(uuid.uuid4()), "thyme", "refs/heads/main", old, self.last)
        [entry] = self.service.ledger.enter("thyme", [push])
        definition = Definition(jobs={"test": job})
        self.record.open(
            entry.number,
            definition=definition.model_dump_json(),
            steps=steps(definition, release=False),
            image_repository="thyme",
        )
        self.record.commit(self.record.claim(entry.number, "build", "w1"), Status.PASSED)
        return self.record.claim(entry.number, "test", "w1")

    def client(self) -> Client:
        return Client(self.settings.url, TOKEN)


@pytest.fixture
def farm(redis_server: Any, tmp_path: Path, ports: Any, poll: Any) -> Iterator[Farm]:
    farm = Farm(
        Settings(
            home=tmp_path / "home",
            redis_url=redis_server.url,
            url=f"http://127.0.0.1:{ports(1)[0]}",
            token=TOKEN,
            artifact_max=1 << 20,
        )
    )
    thread = threading.Thread(target=farm.server.run, daemon=True)
    thread.start()
    poll(lambda: farm.server.started, deadline=30)
    yield farm
    farm.server.should_exit = True
    thread.join(30)


@pytest.fixture
def tried(farm: Farm, workspace: Callable[..., Any], images: Any) -> Callable[..., Any]:
    """Give a function that runs a script with artifacts, as a worker does."""

    def run(script: str, claim: Claim | None = None, job: Job | None = None, **kept: Any) -> tuple[Claim, Outcome]:
        job = (job or Job(script=())).model_copy(
            update={"script": (script,), "artifacts": Artifacts(**{"paths": ("out",), **kept})}
        )
        claim = claim or farm.claim(job)
        work = workspace("1" * 40, Definition(jobs={"test": job}), step="test", image=images.busybox)
        work.home.mkdir(exist_ok=True)
        keep = artifacts.to_dispatcher(farm.settings, farm.record, claim)
        return claim, test.run(replace(work, claim=replace(claim, image=images.busybox), keep=keep))

    return run


LEAVE = "mkdir -p /out/deep; cd /out; echo one >a; echo two >'deep/b c'; ln -s /etc/passwd link; echo no >/other"


def committed(farm: Farm, claim: Claim, outcome: Outcome) -> None:
    farm.record.commit(claim, outcome.status, reason=outcome.reason, result=outcome.document())


def test_files_come_out_as_they_were_left(farm, tried, said, tmp_path):
    claim, outcome = tried(LEAVE, paths=("out", "out/**", "out/none*"))
    committed(farm, claim, outcome)
    assert outcome.result["artifacts"]["count"] == 2
    assert len(json.dumps(outcome.document())) < 300  # their names are not in the record
    assert "1 of the artifacts are links or no files" in said.text
    assert said.text.count("left nothing that matches") == said.text.count("left nothing that matches out/none*") == 1
    with farm.client() as client:
        [row] = client.artifacts(claim.number)
        assert [(file["path"], file["size"]) for file in row["files"]] == [("out/a", 4), ("out/deep/b c", 4)]
        assert row["expires"] == pytest.approx(time.time() + 30 * 86400, abs=600)
        with client.artifact_tar(claim.number, "test") as tar:
            assert unpack(tar, tmp_path) == 2
    assert (tmp_path / "out" / "deep" / "b c").read_text() == "two\n"
    one = httpx.get(
        f"{farm.settings.url}/pipelines/{claim.number}/artifacts/test?file=out/a",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    assert (one.text, one.headers["Content-Disposition"]) == ("one\n", "attachment")


def test_they_are_kept_after_the_end_that_is_wanted(tried):
    for when, script, kept in (("passed", "exit 1", False), ("failed", "exit 1", True), ("failed", "true", False)):
        _, outcome = tried(f"mkdir /out; echo x >/out/x; {script}", when=when)
        assert ("artifacts" in outcome.result) == kept, (when, script)


def test_a_job_whose_time_is_up_leaves_what_is_there(farm, tried):
    report = '<testsuite><testcase name="a"/><testcase name="b"><failure message="no"/></testcase></testsuite>'
    job = Job(script=(), junit=("out/r.xml",), timeout=1.5)
    script = f"mkdir /out; echo '{report}' >/out/r.xml; echo half >/out/log; sleep 600"
    claim, outcome = tried(script, job=job, when="failed")
    committed(farm, claim, outcome)
    assert outcome.status is Status.FAILED
    assert str(outcome.reason).startswith("timed out after 1.5 s; until then 1 of 2 tests failed")
    assert outcome.result["tests"]["failed"] == 1
    with farm.client() as client:
        [row] = client.artifacts(claim.number)
        assert [file["path"] for file in row["files"]] == ["out/log", "out/r.xml"]
        [step] = [
            job for stage in client.pipeline(claim.number)["stages"] for job in stage["jobs"] if stage["name"] == "test"
        ]
        assert "until then" in step["reason"]


def test_too_much_fails_a_job_that_passed_and_is_told_of_one_that_failed(tried, said):
    big = "mkdir /out; head -c 1100000 /dev/zero >/out/x"
    with pytest.raises(Failed, match="more than the 1 MiB that this farm keeps"):
        tried(big)
    _, outcome = tried(f"{big}; exit 3", when="always")
    assert outcome.reason == "script ended with exit code 3"
    assert "warning: artifacts: they are more than the 1 MiB" in said.text


def test_a_dispatcher_that_is_away_is_the_farms_fault(farm, tried, ports):
    farm.settings = farm.settings.model_copy(update={"url": f"http://127.0.0.1:{ports(1)[0]}"})
    with pytest.raises(Errored, match="does not take artifacts"):
        tried("mkdir /out; echo x >/out/x")


def test_a_worker_that_lost_the_step_replaces_nothing(farm, tried):
    claim, outcome = tried("mkdir /out; echo winner >/out/x")
    committed(farm, claim, outcome)
    with pytest.raises(LeaseLost):
        tried("mkdir /out; echo zombie >/out/x", claim)
    store = Store(farm.settings.artifacts_url)
    assert b"winner" in b"".join(store.pieces(Sent(claim.number, "test", claim.fence), "out/x"))


def test_a_grant_ends_with_the_step(farm):
    claim = farm.claim(Job(script=("true",)))
    word, _ = farm.record.grant(claim, 60.0)
    bearer = {"Authorization": f"Bearer {word}"}
    url = f"{farm.settings.url}/artifacts"
    too_long = httpx.put(url, content=iter([b"x" * (1 << 20)] * 40), headers=bearer)
    assert too_long.status_code == 413
    assert httpx.put(url, content=b"x", headers=bearer).status_code == 201
    farm.record.commit(claim, Status.PASSED)
    assert httpx.put(url, content=b"x", headers=bearer).status_code == 403
    assert httpx.put(url, content=b"x", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 403


def test_what_has_expired_is_removed(farm, tried):
    claim, outcome = tried("mkdir /out; echo x >/out/x", expire=0.001)
    committed(farm, claim, outcome)
    store, sent = Store(farm.settings.artifacts_url), Sent(claim.number, "test", claim.fence)
    assert store.files(sent)
    Expiry(farm.record, store).loop()
    with pytest.raises(Refused, match="are gone"):
        store.files(sent)
    assert farm.record.expired() == []
    with farm.client() as client:
        assert client.artifacts(claim.number) == []


def test_what_cannot_be_removed_holds_up_nothing(redis_client, tmp_path):
    record, store = Record(redis_client), Store(str(tmp_path))
    sent = [Sent(1, "test", fence) for fence in range(3)]
    for each in sent:
        with store.create(each) as file:
            file.write(b"x")
        redis_client.zadd("farm:artifacts", {f"{each.number} {each.fence} {each.step}": each.fence})
    stuck = tmp_path / "1/test/0.tar"
    stuck.unlink()
    stuck.mkdir()  # a folder is no file that could be deleted
    with capture_logs() as said:
        Expiry(record, store).loop()
    assert record.expired() == [sent[0]]
    assert [path.name for path in (tmp_path / "1/test").iterdir()] == ["0.tar"]
    assert [(entry["event"], entry["count"]) for entry in said] == [("artifacts.left", 1)]
    stuck.rmdir()
    Expiry(record, store).loop()
    assert record.expired() == []
