"""Redis is away, or takes nothing more, while workers are at it: nothing is run twice, nobody ends, nothing is lost."""

import sys
import time

import pytest

from farm.pipeline import Status

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine]


def jobs(pipeline):
    return {job.name: job for stage in pipeline.stages for job in stage.jobs}


def begun(farm, number):
    return lambda: "begun" in farm.log(number, "test")


@pytest.mark.parametrize("seconds", [6, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(300)])])
def test_a_step_ends_while_redis_is_away(pair, files, poll, seconds):
    """Its commit waits; neither the step nor the rest of the chain is lost or run twice, and it goes on soon."""
    number = pair.push(files("echo begun\nsleep 2\necho end"))
    pair.wake(number)
    poll(begun(pair, number), 60)
    pair.redis_server.kill()
    time.sleep(seconds)  # the absence itself
    pair.redis_server.start()
    back = time.monotonic()
    pipeline = poll(lambda: pair.ended(number), 60)
    sys.stdout.write(f"released {time.monotonic() - back:.1f} s after Redis came back\n")
    assert (pipeline.status, pipeline.reason) == (Status.PASSED, None)
    assert [job.attempts for job in jobs(pipeline).values()] == [1, 1, 1]
    assert time.monotonic() - back < 20
    assert all(worker.poll() is None for worker in pair.workers.values())
    assert pair.log(number, "test").endswith("end\npassed\n")
    again = pair.push(files("true"))
    pair.wake(again)
    assert poll(lambda: pair.ended(again), 60).status is Status.PASSED
    poll(lambda: not pair.left(), 60, what="everything to be gone")


def test_a_full_redis_ends_no_worker(pair, files, poll):
    """Running work is committed; what would need room waits and goes on when there is some."""
    number = pair.push(files("echo begun\nsleep 1\necho end"))
    waiting = pair.push(files("true"), "mint")
    pair.wake(number)
    poll(begun(pair, number), 60)
    pair.wake(waiting)
    pair.redis.config_set("maxmemory", 1)
    poll(lambda: pair.job(number, "test").status is Status.PASSED, 60)
    logs = [pair.folder / f"{name}.log" for name in ("w1", "w2")]
    poll(lambda: sum(log.read_text().count("OutOfMemoryError") for log in logs) > 2, 60, what="workers to be refused")
    pair.redis.config_set("maxmemory", 0)
    for one in (number, waiting):
        pipeline = poll(lambda one=one: pair.ended(one), 60)
        assert (pipeline.status, pipeline.reason) == (Status.PASSED, None)
    assert all(worker.poll() is None for worker in pair.workers.values()), "a worker ended"
    poll(lambda: not pair.left(), 60, what="everything to be gone")


def test_a_frozen_redis_makes_no_worker_lose_its_step(pair, files, poll):
    """Everybody looks dead to it when it wakes up; nobody is taken over."""
    number = pair.push(files("echo begun\nsleep 6\necho end"))
    pair.wake(number)
    poll(begun(pair, number), 60)
    pair.reap()
    pair.redis_server.freeze()
    time.sleep(3 * pair.settings.lease)  # the frozen time itself
    pair.redis_server.thaw()
    pipeline = poll(lambda: pair.ended(number), 60)
    assert (pipeline.status, pipeline.reason) == (Status.PASSED, None)
    assert [job.attempts for job in jobs(pipeline).values()] == [1, 1, 1]
    assert "begun\nend\n" in pair.log(number, "test")
    poll(lambda: not pair.left(), 60, what="everything to be gone")


@pytest.mark.parametrize(
    ("how", "script"),
    [
        pytest.param("frozen", "echo begun\n[ $FARM_ATTEMPT -gt 1 ] || sleep 300", marks=pytest.mark.long),
        pytest.param("killed", "echo begun\n[ $FARM_ATTEMPT -gt 1 ] || sleep 300", marks=pytest.mark.long),
        pytest.param("frozen", "", marks=pytest.mark.long),
        pytest.param("killed", "", marks=pytest.mark.long),
    ],
    ids=["frozen, busy", "killed, busy", "frozen, idle", "killed, idle"],
)
def test_a_worker_that_is_told_to_end_does_not_wait_for_redis(farm, files, poll, how, script):
    number = farm.push(files(script or "true"))
    worker = farm.worker("w1")
    poll(lambda: len(farm.record.workers()) == 1, 60)
    if script:
        farm.wake(number)
        poll(begun(farm, number), 60)
    farm.redis_server.kill() if how == "killed" else farm.redis_server.freeze()
    worker.terminate()
    began = time.monotonic()
    worker.wait(60)
    sys.stdout.write(f"ended after {time.monotonic() - began:.1f} s\n")
    assert not farm.left()
    farm.redis_server.start() if how == "killed" else farm.redis_server.thaw()
    farm.wake(number)
    farm.worker("w2")
    assert poll(lambda: farm.ended(number), 60).status is Status.PASSED
