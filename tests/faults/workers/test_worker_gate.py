"""A worker takes work only while it can and may do it, and repositories share what workers there are."""

import contextlib
import os
import re
import signal
import subprocess

import pytest

from farm.broker import unforked
from farm.pipeline import Status

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine]
QUEUES = ("build", "test", "release")


def messages(farm):
    """Count the wake-ups that wait and those that a worker holds."""
    waiting = sum(
        farm.redis.llen(queue + (f"\x06\x16{priority}" if priority else ""))
        for queue in QUEUES
        for priority in range(10)
    )
    return waiting, farm.redis.hlen("unacked")


def known(farm, name="w1@here"):
    return next((worker for worker in farm.record.workers() if worker.name == name), None)


def log(farm, name="w1"):
    return (farm.folder / f"{name}.log").read_text()


def test_a_drained_worker_finishes_takes_nothing_and_comes_back(farm, files, poll):
    first = farm.push(files("echo begun-$FARM_ATTEMPT\nsleep 2\n"))
    worker = farm.worker()
    farm.wake(first)
    poll(lambda: "begun-1" in farm.log(first, "test"), 60)
    farm.record.drain("w1@here", "ada")
    second = farm.push(files("true"))
    farm.wake(second)
    assert poll(lambda: farm.redis.hget(f"farm:pipeline:{first}:step:test", "status") == "passed", 60)
    poll(lambda: "Canceling queue build" in log(farm), 60)
    poll(lambda: messages(farm)[1] == 0, 60, what="every message to be handed on")
    assert farm.record.pipeline(second).started is None
    assert farm.record.waiting(second) == "no worker that serves `build` takes work: w1@here is drained by ada"

    worker.terminate()
    worker.wait(60)
    farm.redis.delete("farm:worker:w1@here")
    farm.worker()
    poll(lambda: known(farm), 60)
    poll(lambda: log(farm).count("Canceling queue build") == 2, 60)
    assert farm.record.pipeline(second).started is None

    farm.record.drain("w1@here", "ada", undo=True)
    assert poll(lambda: farm.ended(second), 60).status is Status.PASSED
    assert poll(lambda: farm.ended(first), 60).status is Status.PASSED


def test_what_was_prepared_on_a_host_that_is_drained_goes_on_elsewhere(pair, files, poll):
    slow = files("true")
    slow["Dockerfile"] += f"RUN echo {pair.image}; sleep 2\n"
    number = pair.push(slow)
    pair.wake(number)
    poll(lambda: pair.job(number, "build").status is Status.RUNNING, 60)
    drained = pair.job(number, "build").worker
    pair.record.drain(drained, "ada")
    pipeline = poll(lambda: pair.ended(number), 60)
    pair.record.drain(drained, "ada", undo=True)
    assert pipeline.status is Status.PASSED
    [other] = {"w1@here", "w2@here"} - {drained}
    assert [job.worker for stage in pipeline.stages for job in stage.jobs] == [drained, other, other]
    poll(lambda: not pair.left(), what="everything to be gone")


def test_without_an_engine_or_with_a_full_disk_nothing_is_claimed(farm, files, poll, tmp_path):
    home, socket = tmp_path / "small", tmp_path / "docker.sock"
    home.mkdir()
    if os.geteuid():
        pytest.skip("only root may mount a small disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(home)], check=True)
    worker = farm.worker(FARM_HOME=str(home), FARM_DISK_MIN="16MiB", DOCKER_HOST=f"unix://{socket}")
    try:
        poll(lambda: known(farm) and known(farm).closed, 60)
        assert known(farm).closed == "has no Docker Engine that answers"
        number = farm.push(files("true"))
        farm.wake(number)
        poll(lambda: "Canceling queue build" in log(farm), 60)
        poll(lambda: messages(farm)[1] == 0, 60)
        assert farm.record.pipeline(number).started is None
        socket.symlink_to("/var/run/docker.sock")
        pipeline = poll(lambda: farm.ended(number), 60)
        assert pipeline.status is Status.PASSED
        assert {job.attempts for stage in pipeline.stages for job in stage.jobs} == {1}

        poll(lambda: known(farm).closed is None, 60)
        (home / "big").write_bytes(b"x" * (24 << 20))
        poll(lambda: known(farm).closed, 60)
        assert re.fullmatch(rf"has [78]\S* MiB left on the disk of {home}, less than 16 MiB", known(farm).closed)
        poll(lambda: log(farm).count("Canceling queue build") == 2, 60)
        number = farm.push(files("true"))
        farm.wake(number)
        assert "no worker that serves `build` takes work: w1@here has" in str(farm.record.waiting(number))
        assert [queue.consumers for queue in farm.record.queues() if queue.name == "build"] == [()]
        (home / "big").unlink()
        assert poll(lambda: farm.ended(number), 60).status is Status.PASSED
        assert known(farm).closed is None
        assert worker.poll() is None
    finally:
        farm.kill(worker, signal.SIGKILL)
        worker.wait()
        subprocess.run(["umount", "--lazy", str(home)], check=True)


def test_a_worker_that_fails_again_and_again_is_put_aside(farm, files, poll, tmp_path):
    """Its mirrors cannot be written, which no look at engine and disk can tell."""
    home = tmp_path / "broken"
    home.mkdir()
    (home / "mirrors").write_text("no folder")
    farm.worker("w1", FARM_HOME=str(home))
    farm.worker("w2")
    poll(lambda: known(farm, "w1@here") and known(farm, "w2@here"), 60)
    for count in ("1", "2", "3"):
        assert known(farm).closed is None
        farm.record.drain("w2@here", "ada")  # so that w1 is the first to try
        number = farm.push(files("true"))
        farm.wake(number)
        poll(lambda count=count: farm.reap() or farm.redis.hget("farm:gate:w1@here", "errors") == count, 60)
        farm.record.drain("w2@here", "ada", undo=True)
        pipeline = poll(lambda number=number: farm.ended(number), 60)
        assert (pipeline.status, pipeline.reason) == (Status.PASSED, None)
        assert farm.job(number, "build").worker == "w2@here"
    assert "is put aside for" in known(farm).closed
    assert "after 3 steps in a row that it could not do" in known(farm).closed


@pytest.mark.long
def test_a_closed_worker_stays_closed_over_a_broken_connection(farm, files, poll):
    farm.worker()
    poll(lambda: known(farm), 60)
    farm.record.drain("w1@here", "ada")
    poll(lambda: "Canceling queue build" in log(farm), 60)
    farm.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    number = farm.push(files("true"))
    farm.wake(number)
    poll(lambda: "Connection to broker lost" in log(farm) or "connection" in log(farm).lower(), 60)
    seen = known(farm).seen
    poll(lambda: known(farm).seen > seen + 4, 60, what="two more beats")
    assert messages(farm) == (1, 0)
    farm.record.drain("w1@here", "ada", undo=True)
    assert poll(lambda: farm.ended(number), 60).status is Status.PASSED


def test_one_push_waits_only_for_a_few_of_another_repositorys_many(farm, files, poll):
    many = [farm.push(files("true")) for _ in range(40)]
    farm.send([(number, unforked(farm.steps)) for number in many])
    farm.worker()
    poll(lambda: farm.record.pipeline(many[0]).started, 60)
    one = farm.push(files("true"), "mint")
    begun = sum(farm.record.pipeline(number).started is not None for number in many)
    farm.wake(one)
    poll(lambda: farm.record.pipeline(one).status.final, 60)
    assert farm.record.pipeline(one).status is Status.PASSED
    more = sum(farm.record.pipeline(number).started is not None for number in many) - begun
    assert more <= 6
    for number in many:  # the worker need not do them all
        with contextlib.suppress(Exception):
            farm.record.cancel(number, "me")
