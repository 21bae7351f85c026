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


def test_a_push_becomes_a_released_image(pair, files, poll):
    number = pair.push(files('echo "$FARM $FARM_PIPELINE $FARM_BRANCH"\ncat Dockerfile'))
    pair.wake(number)
    pipeline = poll(lambda: pair.ended(number), 60)
    assert (pipeline.status, pipeline.reason) == (Status.PASSED, None)
    assert list(jobs(pipeline)) == ["build", "test", "release"]
    assert {(job.status, job.attempts) for job in jobs(pipeline).values()} == {(Status.PASSED, 1)}
    digest = pipeline.image.partition("@")[2]
    assert pair.registry.digest(pair.image, "latest") == digest
    assert pipeline.released == ("latest",)
    worker = jobs(pipeline)["test"].worker
    assert f"--- attempt 1 on {worker} ---\ntrue {number} main\nFROM" in pair.log(number, "test")
    poll(lambda: not pair.left())
    known = {(worker.name, worker.slots, worker.queues) for worker in pair.record.workers()}
    assert known == {(f"{name}@here", 2, ("build", "release", "test")) for name in ("w1", "w2")}


@pytest.mark.parametrize("successor", ["w2", pytest.param("w1", marks=pytest.mark.long)])
def test_kill_9_during_the_test(farm, files, poll, successor):
    """Another worker goes on, or the same when it comes back."""
    number = farm.push(files(HANGS_ONCE))
    worker = farm.worker()
    farm.wake(number)
    poll(begun(farm, number), 60)
    assert farm.left()
    farm.kill(worker)
    farm.worker(successor)
    made_up_for(farm, number, poll)


def test_kill_9_of_all_slots(pair, files, poll):
    number = pair.push(files(HANGS_ONCE))
    pair.wake(number)
    poll(begun(pair, number), 60)
    worker = pair.runner(number)
    for pid in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    made_up_for(pair, number, poll)
    assert worker.poll() is None


def made_up_for(farm, number, poll):
    """Wait for the end of a pipeline whose test lost its first attempt, and that nothing is left of it."""
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


def test_every_message_three_times(pair, files, poll):
    number = pair.push(files("echo once"))
    pair.send([(number, steps) for steps in (pair.steps, *([step] for step in pair.steps)) for _ in range(3)])
    pipeline = poll(lambda: pair.ended(number), 60)
    assert pipeline.status is Status.PASSED
    poll(lambda: not any(pair.redis.llen(queue) for queue in ("build", "test", "release")))
    assert [job.attempts for job in jobs(pipeline).values()] == [1, 1, 1]
    assert pair.log(number, "test").count("once") == 1
    assert pair.log(number, "release").count("released") == 1
    assert pair.record.pipeline(number) == pipeline
    poll(lambda: not pair.left(), what="everything to be gone")


def test_a_cancel_takes_the_containers_away(pair, files, poll):
    before = pair.registry.digest(pair.image, "latest")
    number = pair.push(files(HANGS_ONCE))
    pair.wake(number)
    poll(begun(pair, number), 60)
    pair.record.cancel(number, "me")
    poll(lambda: not pair.left(), 60, what="everything to be gone")
    assert pair.ended(number).status is Status.CANCELED
    assert pair.registry.digest(pair.image, "latest") == before


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


def test_a_failing_test_ends_the_chain(pair, files, poll):
    before = pair.registry.digest(pair.image, "latest")
    number = pair.push(files("exit 1\n"))
    pair.wake(number)
    pipeline = poll(lambda: pair.ended(number), 60)
    assert (pipeline.status, pipeline.reason) == (Status.FAILED, "script ended with exit code 1")
    assert jobs(pipeline)["release"].status is Status.SKIPPED
    assert pair.registry.digest(pair.image, "latest") == before


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
