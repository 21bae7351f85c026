"""Whatever happens to a worker, the pipeline ends right, once, and nothing is left behind."""

import os
import signal
from pathlib import Path

import pytest

from farm.pipeline import Status

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine]

# The first attempt says that it has begun and then hangs; a later one passes.
HANGS_ONCE = 'echo begun-$FARM_ATTEMPT\nif [ "$FARM_ATTEMPT" = 1 ]; then sleep 300; fi'


def jobs(pipeline):
    return {job.name: job for stage in pipeline.stages for job in stage.jobs}


def begun(farm, number, attempt=1):
    return lambda: f"begun-{attempt}" in farm.log(number, "test")


def test_a_push_becomes_a_released_image(farm, files, poll):
    number = farm.push(files('echo "$FARM $FARM_PIPELINE $FARM_BRANCH"\ncat Dockerfile'))
    farm.worker()
    farm.wake(number)
    pipeline = poll(lambda: farm.ended(number), 60)
    assert (pipeline.status, pipeline.reason) == (Status.PASSED, None)
    assert list(jobs(pipeline)) == ["build", "test", "release"]
    assert {(job.status, job.attempts, job.worker) for job in jobs(pipeline).values()} == {
        (Status.PASSED, 1, "w1@here")
    }
    digest = pipeline.image.partition("@")[2]
    assert farm.registry.digest(farm.image, "latest") == digest
    assert pipeline.released == ("latest",)
    assert f"--- attempt 1 on w1@here ---\ntrue {number} main\nFROM" in farm.log(number, "test")
    poll(lambda: not farm.left())
    [worker] = farm.record.workers()
    assert (worker.name, worker.slots, worker.queues) == ("w1@here", 2, ("build", "release", "test"))


@pytest.mark.parametrize("whom", ["worker, which comes back", "worker, another goes on", "slots"])
def test_kill_9_during_the_test(farm, files, poll, whom):
    number = farm.push(files(HANGS_ONCE))
    worker = farm.worker()
    farm.wake(number)
    poll(begun(farm, number), 60)
    first = farm.left()
    assert first
    if whom == "slots":
        for pid in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
    else:
        farm.kill(worker)
        farm.worker("w1" if "comes back" in whom else "w2")
    pipeline = poll(lambda: farm.ended(number), 60)
    assert (pipeline.status, pipeline.reason) == (Status.PASSED, None)
    assert jobs(pipeline)["test"].attempts == 2
    assert jobs(pipeline)["build"].attempts == 1
    assert farm.registry.digest(farm.image, "latest") == pipeline.image.partition("@")[2]
    poll(lambda: not farm.left(), what="everything to be gone")
    assert "--- attempt 2 on" in farm.log(number, "test")


def test_a_frozen_worker_that_wakes_up_changes_nothing(farm, files, poll):
    number = farm.push(files(HANGS_ONCE))
    frozen = farm.worker("w1")
    farm.wake(number)
    poll(begun(farm, number), 60)
    farm.kill(frozen, signal.SIGSTOP)
    farm.worker("w2")
    pipeline = poll(lambda: farm.ended(number), 60)
    assert pipeline.status is Status.PASSED
    farm.kill(frozen, signal.SIGCONT)
    again = farm.push(files("true"))
    farm.wake(again)
    assert poll(lambda: farm.ended(again), 60).status is Status.PASSED
    poll(lambda: not farm.left(), what="everything to be gone")
    assert farm.record.pipeline(number) == pipeline
    assert farm.registry.digest(farm.image, "latest") == farm.record.pipeline(again).image.partition("@")[2]


def test_every_message_three_times(farm, files, poll):
    number = farm.push(files("echo once"))
    for _ in range(3):
        farm.wake(number)
        for step in farm.steps:
            farm.wake(number, [step])
    farm.worker("w1")
    farm.worker("w2")
    pipeline = poll(lambda: farm.ended(number), 60)
    assert pipeline.status is Status.PASSED
    poll(lambda: not any(farm.redis.llen(queue) for queue in ("build", "test", "release")))
    assert [job.attempts for job in jobs(pipeline).values()] == [1, 1, 1]
    assert farm.log(number, "test").count("once") == 1
    assert farm.log(number, "release").count("released") == 1
    assert farm.record.pipeline(number) == pipeline
    poll(lambda: not farm.left(), what="everything to be gone")


def test_a_cancel_takes_the_containers_away(farm, files, poll):
    number = farm.push(files(HANGS_ONCE))
    farm.worker()
    farm.wake(number)
    poll(begun(farm, number), 60)
    farm.record.cancel(number, "me")
    poll(lambda: not farm.left(), 60, what="everything to be gone")
    assert farm.ended(number).status is Status.CANCELED
    assert farm.registry.digest(farm.image, "latest") is None


def test_a_worker_that_is_told_to_end_hands_its_step_back(farm, files, poll):
    number = farm.push(files(HANGS_ONCE))
    worker = farm.worker("w1")
    farm.wake(number)
    poll(begun(farm, number), 60)
    worker.terminate()
    worker.wait(60)
    assert farm.left() == []
    assert jobs(farm.record.pipeline(number))["test"].status is Status.PENDING
    assert farm.record.workers(silence=86400) == []
    farm.worker("w2")
    pipeline = poll(lambda: farm.ended(number), 60)
    assert pipeline.status is Status.PASSED
    assert jobs(pipeline)["test"].worker == "w2@here"


def test_redis_dies_during_the_test(farm, files, poll):
    number = farm.push(files("echo begun-$FARM_ATTEMPT\nsleep 2\necho end"))
    farm.worker()
    farm.wake(number)
    poll(begun(farm, number), 60)
    farm.redis_server.kill()
    farm.redis_server.start()
    pipeline = poll(lambda: farm.ended(number), 60)
    assert (pipeline.status, pipeline.reason) == (Status.PASSED, None)
    poll(lambda: not farm.left(), 60, what="everything to be gone")


def test_a_failing_test_ends_the_chain(farm, files, poll):
    number = farm.push(files("exit 1\n"))
    farm.worker()
    farm.wake(number)
    pipeline = poll(lambda: farm.ended(number), 60)
    assert (pipeline.status, pipeline.reason) == (Status.FAILED, "script ended with exit code 1")
    assert jobs(pipeline)["release"].status is Status.SKIPPED
    assert farm.registry.digest(farm.image, "latest") is None


def test_a_step_that_loses_every_worker_ends_errored(farm, files, poll):
    """What kills its worker each time is not tried for ever."""
    number = farm.push(files("echo begun-$FARM_ATTEMPT\nsleep 300"))
    farm.wake(number)
    for attempt in (1, 2, 3):
        worker = farm.worker(f"w{attempt}")
        poll(lambda attempt=attempt: farm.reap() or begun(farm, number, attempt)(), 60)
        farm.kill(worker)
    pipeline = poll(lambda: farm.ended(number), 60)
    assert (pipeline.status, pipeline.reason) == (Status.ERRORED, "lost 3 workers")
    assert jobs(pipeline)["release"].status is Status.SKIPPED
    farm.worker("w4")
    poll(lambda: not farm.left(), 60, what="everything to be gone")
