"""One attempt at a step on a real record: whose fault an end is, and what the record says of it."""

import gc
import time
import uuid
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from farm.decision import steps
from farm.definition import Definition, Hook, Job, Release
from farm.errors import Errored, Failed
from farm.ledger import Ledger
from farm.pipeline import Status
from farm.push import ZERO, Push
from farm.settings import Settings
from workers import cleanup
from workers.attempt import Ended, attempt
from workers.docker import DockerEngine
from workers.engine import Owner
from workers.lease import Stopped, stop_all
from workers.tools import Tools

pytestmark = [pytest.mark.redis, pytest.mark.registry]
NO_ENGINE = "unix:///nowhere/docker.sock"


class Leaving(DockerEngine):
    """An engine that answers before a step is claimed, and is gone right after."""

    def answers(self) -> bool:
        return True


class Door:
    """A worker's tools and one repository; `try_` is one message."""

    def __init__(self, settings: Settings, repository: Any) -> None:
        self.settings = settings.model_copy(update={"worker_name": "w1@here"})
        self.tools = Tools.connect(self.settings, Leaving(NO_ENGINE))
        self.record, self.repository = self.tools.record, repository
        self.ledger = Ledger(self.record.redis)
        self.ledger.register("thyme", repository.url, "main", {})
        self.last = ZERO

    def push(self, commit: str, definition: Definition | str | None = None) -> int:
        old, self.last = self.last, commit
        [entry] = self.ledger.enter("thyme", [Push(str(uuid.uuid4()), "thyme", "refs/heads/main", old, commit)])
        plan = definition if isinstance(definition, Definition) else Definition(jobs={"test": Job(script=("true",))})
        self.record.open(
            entry.number,
            definition=definition if isinstance(definition, str) else plan.model_dump_json(),
            steps=steps(plan, release=True),
            image_repository="thyme",
        )
        return entry.number

    def try_(self, number: int, step: str = "build") -> Ended:
        with ExitStack() as teardown:
            return attempt(self.tools, number, step, teardown)

    def with_engine(self) -> None:
        """Let the engine of this machine answer."""
        self.tools = replace(self.tools, engine=DockerEngine())

    def log(self, number: int, step: str = "build") -> str:
        return "".join(self.tools.logs.text(number, step))


@pytest.fixture
def door(redis_server, registry, repository, farm_id):
    home = repository.tree.parent / "home"
    door = Door(Settings(home=home, farm_id=farm_id, redis_url=redis_server.url, registry=registry.host), repository)
    yield door
    door.tools.registry.close()
    door.record.redis.close()
    del door
    gc.collect()


def test_an_engine_that_is_down_is_ours_and_tried_again(door, poll):
    number = door.push(door.repository.commit({"Dockerfile": "FROM scratch\n"}))
    ended = door.try_(number)
    assert ended.status is Status.PENDING
    assert "Docker Engine at unix:///nowhere/docker.sock does not answer" in str(ended.reason)
    assert door.log(number).startswith("--- attempt 1 on w1@here ---\nerrored: the Docker Engine")
    ends = [poll(lambda: door.try_(number).status, 30) for _ in range(2)]
    assert ends == [Status.PENDING, Status.ERRORED]
    pipeline = door.record.pipeline(number)
    assert pipeline.status is Status.ERRORED
    assert "does not answer" in str(pipeline.reason)
    assert "--- attempt 3 on w1@here ---" in door.log(number)
    assert door.try_(number) == Ended()


def test_a_definition_of_another_version_is_ours_and_logged_once(door):
    number = door.push(door.repository.commit({"a": "1"}), definition='{"surprise": 1}')
    with capture_logs() as logs:
        ended = door.try_(number)
    assert ended.status is Status.PENDING
    assert "the worker met an error of its own, ValidationError" in str(ended.reason)
    assert [(entry["event"], entry["pipeline"], entry["step"]) for entry in logs] == [("attempt", number, "build")]


@pytest.mark.engine
def test_a_repository_that_is_gone_is_ours(door):
    number = door.push("1" * 40)
    door.repository.tree.rename(door.repository.tree.with_name("away"))
    door.with_engine()
    ended = door.try_(number)
    assert ended.status is Status.PENDING
    assert "git cannot read" in str(ended.reason)


@pytest.mark.engine
def test_what_the_pushed_code_does_wrong_is_committed(door):
    door.with_engine()
    gone = door.push("1" * 40)
    door.repository.commit({"a": "1"})
    ended = door.try_(gone)
    assert ended.status is Status.FAILED
    assert "commit 1111111 is gone" in str(door.record.pipeline(gone).reason)
    bare = door.push(door.repository.commit({"a": "2"}))
    assert door.try_(bare).status is Status.FAILED
    assert str(door.record.pipeline(bare).reason).startswith('no Dockerfile at "Dockerfile" in ')
    assert door.log(bare).endswith("add one or set build.dockerfile\n")


@pytest.mark.engine
def test_what_an_older_attempt_left_goes_before_the_next_begins(door, request):
    number = door.push("1" * 40)
    lost = door.record.claim(number, "build", "w0@here")
    farm_id, engine = door.settings.farm_id, DockerEngine()
    request.addfinalizer(lambda: cleanup.sweep(engine, farm_id, lambda _: False))
    engine.create_network(Owner(farm_id, number, "build", lost.fence, int(time.time()) + 3600))
    door.record.give_back(lost, "its worker shuts down", counted=False)
    door.repository.commit({"a": "1"})
    door.with_engine()
    assert door.try_(number).status is Status.FAILED  # there is no such commit
    assert not engine.objects({"farm.id": farm_id})


def test_messages_that_come_at_a_wrong_moment_have_no_effect(door):
    number = door.push("1" * 40)
    assert door.try_(number, "test") == Ended()  # early
    assert door.try_(number, "nothing") == Ended()
    assert door.try_(99) == Ended()
    claim = door.record.claim(number, "build", "w2@here")
    assert door.try_(number) == Ended()  # busy
    door.record.commit(claim, Status.PASSED, result={"image": "127.0.0.1:1/thyme@sha256:" + "0" * 64})
    assert door.try_(number).next  # the duplicate wakes the test, in case its own message was lost
    door.record.cancel(number, "me")
    assert door.try_(number, "test") == Ended()
    assert not door.try_(number).next


@pytest.mark.parametrize("whose", ["it was canceled", "somebody else has the step"])
def test_a_worker_that_shuts_down_too_late_drops_its_work(door, monkeypatch, whose):
    """Its step is no longer its own when it hands it back: that is no error, nothing is to be handed back."""
    number = door.push("1" * 40)

    def lose(_, claim, *__):  # noqa: ANN002
        if whose == "it was canceled":
            door.record.cancel(claim.number, "me")
        else:
            door.record.redis.hset(f"farm:pipeline:{claim.number}:step:{claim.step}", "fence", claim.fence + 1)
        raise Stopped("the worker shuts down")

    monkeypatch.setattr(Tools, "workspace", lose)
    assert door.try_(number) == Ended()


def test_who_is_told_to_end_while_it_claims_hands_the_step_back(door, monkeypatch):
    monkeypatch.setattr("workers.lease._ending", False)
    number = door.push("1" * 40)
    claim = door.record.claim

    def told(*asked):  # noqa: ANN002
        found = claim(*asked)
        assert not stop_all()  # as the signal does between Redis's answer and the lease
        return found

    monkeypatch.setattr(door.record, "claim", told)
    assert door.try_(number) == Ended()
    step = door.record.redis.hgetall(f"farm:pipeline:{number}:step:build")
    assert (step["status"], step["reason"], step["errors"]) == ("pending", "the worker shuts down", "0")


@pytest.mark.parametrize("error", [Errored("the engine lost the container"), Failed("script was killed")])
def test_what_a_sweep_takes_from_under_a_canceled_stage_is_nobodys_fault(door, monkeypatch, error):
    number = door.push("1" * 40)

    def lose(_, claim, *__):  # noqa: ANN002
        door.record.cancel(claim.number, "me")
        raise error

    monkeypatch.setattr(Tools, "workspace", lose)
    assert door.try_(number) == Ended()
    assert door.log(number).endswith("\ncanceled, or superseded by a newer push\n")


@pytest.mark.engine
def test_a_branch_remembers_its_tests(door, images):
    door.with_engine()
    script = "cat /code/r.xml > /r.xml; ! grep -q failure /r.xml"
    plan = Definition(jobs={"test": Job(script=(script,), junit=("/r.xml",))}).model_dump_json()
    last = {}
    for inside in ("", "<failure message='no'/>", ""):
        case = f"<testsuite><testcase classname='t' name='a' time='0.5'>{inside}</testcase></testsuite>"
        files = {"Dockerfile": f"FROM {images.busybox}\nCOPY r.xml /code/\n", "r.xml": case}
        number = door.push(door.repository.commit(files), plan)
        assert door.try_(number).status is Status.PASSED
        assert door.try_(number, "test").status is (Status.FAILED if inside else Status.PASSED)
        (job,) = next(stage.jobs for stage in door.record.pipeline(number).stages if stage.name == "test")
        last[number] = {kind: job.result["tests"]["changes"][kind]["tests"] for kind in ("new", "fixed")}
    assert list(last.values()) == [
        {"new": [], "fixed": []},
        {"new": ["t::a"], "fixed": []},
        {"new": [], "fixed": ["t::a"]},
    ]
    (history,) = door.record.test_history("thyme", "refs/heads/main", "t::a")
    assert [run.outcome for run in history.runs] == ["passed", "failed", "passed"]


def test_a_hook_is_a_step_behind_the_release_and_its_fault_is_tried_again(door, repository):
    plan = Definition(
        jobs={"test": Job(script=("true",))},
        release=Release(
            after={"tell": Hook(url="http://127.0.0.1:1/"), "deploy": Hook(script=("x",), secrets=("KEY",))}
        ),
    )
    door.with_engine()
    number = door.push(repository.commit({"a": "1"}), plan)
    for step in ("build", "test", "release"):
        claim = door.record.claim(number, step, "w1@here")
        image = f"r/thyme@sha256:{'a' * 64}" if step == "build" else None
        if step == "release":
            assert door.record.release_begin(claim, "latest").go
        ready = door.record.commit(claim, Status.PASSED, result={"image": image, "released": ["latest"]})
    assert [step.name for step in ready] == ["release/tell", "release/deploy"]
    refused = door.try_(number, "release/deploy")
    assert (refused.status, "KEY" in (refused.reason or "")) == (Status.FAILED, True)
    ended = door.try_(number, "release/tell")
    assert ended.status is Status.PENDING
    assert ended.reason.startswith("tell: 127.0.0.1 does not answer")
    assert "the image stays released" in door.log(number, "release/tell")
