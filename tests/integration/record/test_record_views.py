"""What people ask the record: lists, one pipeline, workers, queues, and why something waits."""

import json
from typing import Any

import pytest

from farm.errors import Refused
from farm.pipeline import Status, Step
from farm.record import WorkerInfo
from tests.records import CHAIN, FAN, Farm, oid

pytestmark = pytest.mark.redis

W1 = WorkerInfo("w1@h1", "h1", 2, ("arm64",), ("build", "test", "release"), ("#1 build",))


def test_a_pipeline_as_people_see_it(farm: Farm) -> None:
    number = farm.open("b", "a", steps=FAN)
    farm.record.describe(number, subject="Fix", author="Jo", commit=oid("c"))
    farm.pass_step(number, "build", "w1@h1")
    farm.record.commit(farm.claim(number, "test/a"), Status.FAILED, reason="no", result={"tests": {"failed": 1}})
    document = farm.record.pipeline(number).document()
    assert json.loads(json.dumps(document)) == json.loads(json.dumps(document))
    assert (document["commit"], document["subject"], document["status"]) == (oid("c"), "Fix", "running")
    build, test, release = document["stages"]
    assert (build["status"], build["jobs"][0]["worker"], build["jobs"][0]["attempts"]) == ("passed", "w1@h1", 1)
    assert build["started"] <= build["finished"]
    assert [job["status"] for job in test["jobs"]] == ["failed", "pending"]
    assert (test["status"], test["finished"], test["jobs"][0]["result"]["tests"]["failed"]) == ("running", None, 1)
    assert release["status"] == "skipped"
    with pytest.raises(Refused, match="no pipeline #99"):
        farm.record.pipeline(99)


def test_lists_filter_and_go_on(farm: Farm) -> None:
    main = [farm.open("abcdef"[k], "bcdefg"[k]) for k in range(5)]
    topic = [farm.open("a", letter, ref="refs/heads/topic") for letter in "xyz"]
    farm.record.cancel(main[1], "jo")

    def numbers(**how: Any) -> list[int]:
        return [pipeline.number for pipeline in farm.record.pipelines(**how)]

    assert numbers() == [*reversed(topic), *reversed(main)]
    assert numbers(limit=2) == [topic[2], topic[1]]
    assert numbers(before=topic[0], limit=2) == [main[4], main[3]]
    assert numbers(repository="thyme", ref="refs/heads/topic") == list(reversed(topic))
    assert numbers(ref="refs/heads/topic", limit=2) == [topic[2], topic[1]]
    assert numbers(status=Status.CANCELED) == [main[1]]
    assert numbers(repository="sage") == []
    assert numbers(status=Status.PENDING, limit=100) == [number for number in numbers() if number != main[1]]


def test_workers_are_those_heard_of_lately(farm: Farm) -> None:
    farm.record.beat(W1)
    (worker,) = farm.record.workers()
    assert worker.seen == pytest.approx(farm.now(), abs=2)
    assert (worker.name, worker.host, worker.slots, worker.labels, worker.busy) == (
        "w1@h1",
        "h1",
        2,
        ("arm64",),
        W1.busy,
    )
    farm.redis.hset("farm:worker:w1@h1", "seen", farm.now() - 60)
    assert farm.record.workers() == []
    assert len(farm.record.workers(silence=90)) == 1


def test_queues_show_depth_wait_running_and_consumers(farm: Farm) -> None:
    farm.record.beat(W1)
    first, _, _ = (farm.open("abc"[k], "bcd"[k]) for k in range(3))
    farm.claim(first, "build")
    farm.open("d", "e", steps=[Step("build", "build", (), "build+gpu")])
    queues = {queue.name: queue for queue in farm.record.queues()}
    assert (queues["build"].depth, queues["build"].running, queues["build"].consumers) == (2, 1, ("w1@h1",))
    assert queues["build"].oldest is not None
    assert queues["build"].oldest >= 0
    assert (queues["test"].depth, queues["test"].oldest) == (0, None)
    assert (queues["build+gpu"].depth, queues["build+gpu"].consumers) == (1, ())


def test_why_a_pipeline_waits(farm: Farm) -> None:
    waiting = farm.record.waiting
    entered = farm.enter(farm.push("a", "b"))[0]
    assert waiting(entered) == "no dispatcher has read its definition yet"
    farm.record.open(entered, definition="{}", steps=CHAIN, image_repository="thyme")
    assert waiting(entered) == "no worker serves `build`"
    farm.record.beat(W1)
    assert waiting(entered) == "next in `build`, once a worker is free"
    behind = [farm.open("bcd"[k], "cde"[k]) for k in range(3)]
    assert waiting(behind[2]) == "3 ahead in `build`"
    labelled = farm.open("e", "f", steps=[Step("test/arm", "test", (), "test+arm64+gpu")])
    assert waiting(labelled) == "no worker serves `arm64+gpu`"
    claim = farm.claim(entered, "build")
    assert waiting(entered) is None
    farm.record.give_back(claim, "the registry is down")
    assert waiting(entered) == "build is tried again in 2 s: the registry is down"
    farm.record.cancel(entered, "jo")
    assert waiting(entered) is None
    assert waiting(99) is None
