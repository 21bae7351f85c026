"""What Celery on Redis does to messages: each way in which it loses or doubles work, and that none does here."""

import base64
import json
import os
import signal
from pathlib import Path

import pytest
from celery import Celery

from farm.errors import Refused
from farm.pipeline import Status

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine]

QUEUES = ("build", "test", "release")
# The first attempt says that it has begun and then hangs; a later one passes.
HANGS_ONCE = 'echo begun-$FARM_ATTEMPT\nif [ "$FARM_ATTEMPT" = 1 ]; then sleep 300; fi'


def jobs(pipeline):
    return {job.name: job for stage in pipeline.stages for job in stage.jobs}


def begun(farm, number):
    return lambda: "begun-" in farm.log(number, "test")


def lives(process):
    return process.poll() is None


def kill_slots(worker):
    for pid in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split():
        os.kill(int(pid), signal.SIGKILL)


def passed_once(farm, number, poll):
    """Wait for the end: passed, each step by one attempt, one release, nothing left."""
    pipeline = poll(lambda: farm.ended(number), 60)
    assert (pipeline.status, pipeline.reason) == (Status.PASSED, None)
    assert [job.attempts for job in jobs(pipeline).values()] == [1, 1, 1]
    assert farm.log(number, "release").count("released ") == 1
    poll(lambda: not farm.left(), what="everything to be gone")
    return pipeline


def test_a_reset_of_every_connection_starts_nothing_again(pair, files, poll):
    """Kombu would put the running step back into its queue and a second worker would take it up at once."""
    number = pair.push(files("echo begun-$FARM_ATTEMPT\nwhile ! [ -e /tmp/on ]; do sleep 0.1; done"))
    pair.wake(number)
    poll(begun(pair, number), 60)
    for _ in range(2):
        pair.redis.client_kill_filter(_type="pubsub")
        pair.redis.client_kill_filter(_type="normal", skipme=True)
        pair.wake(number)  # and every message twice
        poll(lambda: not any(pair.redis.llen(queue) for queue in QUEUES), 30)
    assert pair.job(number, "test").status is Status.RUNNING
    own = {"farm.id": pair.settings.farm_id, "farm.step": "test"}
    [container] = [item.name for item in pair.engine.objects(own) if item.kind == "container"]
    pair.engine.exec(container, ("touch", "/tmp/on"), check=lambda: None)
    passed_once(pair, number, poll)
    assert all(map(lives, pair.workers.values())), "a worker ended because of the reset"


def test_a_slot_that_is_killed_over_a_reset_is_made_up_for(pair, files, poll):
    """The pool hands the message of the lost slot back over a connection that is gone by then."""
    number = pair.push(files(HANGS_ONCE))
    pair.wake(number)
    poll(begun(pair, number), 60)
    worker = pair.runner(number)
    pair.redis.client_kill_filter(_type="normal", skipme=True)
    kill_slots(worker)
    pipeline = poll(lambda: pair.ended(number), 60)
    assert (pipeline.status, jobs(pipeline)["test"].attempts) == (Status.PASSED, 2)
    assert lives(worker)
    poll(lambda: not pair.left(), what="everything to be gone")


def test_a_message_that_is_in_no_key_at_all_is_sent_again(farm, files, poll):
    """A worker dies after Redis has given it the message and before it wrote down that it has it."""
    dead = farm.worker("w1")
    poll(lambda: len(farm.record.workers()) == 1)
    number = farm.push(files("true"))

    def given() -> bool:
        """Freeze it while it waits for a message, not between two waits, and let it be given one."""
        farm.kill(dead, signal.SIGSTOP)
        farm.wake(number)
        if not farm.redis.llen("build"):
            return True
        farm.redis.delete("build")
        farm.kill(dead, signal.SIGCONT)
        return False

    poll(given, every=0.3)
    farm.kill(dead)
    assert not any(farm.redis.llen(queue) for queue in QUEUES)
    assert farm.redis.hlen("unacked") == 0
    farm.worker("w2")
    passed_once(farm, number, poll)


def test_all_queues_deleted(farm, files, poll):
    """Before anybody has taken a message, and while the test runs."""
    lost = (*QUEUES, "unacked", "unacked_index")
    number = farm.push(files("true"))
    farm.wake(number)
    farm.redis.delete(*lost)
    farm.worker()
    passed_once(farm, number, poll)
    number = farm.push(files("echo begun-$FARM_ATTEMPT\nsleep 1"))
    farm.wake(number)
    poll(begun(farm, number), 60)
    farm.redis.delete(*lost)
    passed_once(farm, number, poll)


def test_flowers_remote_control_cannot_end_a_pipeline(farm, files, poll):
    """The message of a revoked task is dropped and its slot killed; what it stood for goes on all the same."""
    worker = farm.worker()
    poll(lambda: len(farm.record.workers()) == 1)
    with Celery(broker=farm.redis_server.url) as control:
        revoked = farm.push(files("echo begun-$FARM_ATTEMPT"))
        farm.kill(worker, signal.SIGSTOP)
        farm.wake(revoked)
        [message] = farm.redis.lrange("build", 0, -1) or [None]
        farm.kill(worker, signal.SIGCONT)
        if message:
            control.control.revoke(json.loads(message)["headers"]["id"])
        ended = poll(lambda: farm.ended(revoked), 60)
        assert (ended.status, ended.reason) == (Status.PASSED, None)

        terminated = farm.push(files(HANGS_ONCE))
        farm.wake(terminated)
        poll(begun(farm, terminated), 60)
        [task] = [task for tasks in control.control.inspect().active().values() for task in tasks]
        control.control.revoke(task["id"], terminate=True, signal="SIGKILL")
        ended = poll(lambda: farm.ended(terminated), 60)
        assert (ended.status, ended.reason) == (Status.PASSED, None)
    poll(lambda: not farm.left(), what="everything to be gone")


def test_a_busy_worker_takes_no_message_that_an_idle_one_could_have(farm, files, poll):
    long = [farm.push(files("echo begun-$FARM_ATTEMPT\nsleep 300")) for _ in range(2)]
    farm.worker()
    for number in long:
        farm.wake(number)
    for number in long:
        poll(begun(farm, number), 60)  # both slots are taken
    farm.wake(farm.push(files("true")))
    [queue] = farm.redis.keys("build*")  # with its priority
    [message] = farm.redis.lrange(queue, 0, -1)
    before = farm.redis.zscore("farm:workers", "w1@here")
    poll(lambda: farm.redis.zscore("farm:workers", "w1@here") != before, 30, what="the worker's loop to have turned")
    assert message in farm.redis.lrange(queue, 0, -1)
    for number in long:
        farm.record.cancel(number, "ada")
    poll(lambda: all(map(farm.ended, long)) and not farm.left(), 60, what="everything to be gone")


def test_celery_has_no_result_of_its_own(farm, files, poll):
    """So there is none that says PENDING of what nobody knows, or FAILURE of what never ran."""
    number = farm.push(files("exit 1\n"))
    farm.worker()
    farm.wake(number)
    pipeline = poll(lambda: farm.ended(number), 60)
    assert [str(job.status) for job in jobs(pipeline).values()] == ["passed", "failed", "skipped"]
    assert [key for key in farm.redis.scan_iter() if not key.startswith(("farm:", "_kombu", "unacked"))] == []
    with pytest.raises(Refused, match=f"there is no pipeline #{number + 1}"):
        farm.record.pipeline(number + 1)


def test_a_message_says_which_step_and_nothing_else(farm, files):
    """What Flower shows, and what lies in Redis, holds nothing of the definition."""
    number = farm.push(files("true", "  env: {PASSWORD: hunter2}\n"))
    farm.wake(number)
    [message] = [json.loads(row) for row in farm.redis.lrange("build", 0, -1)]
    arguments, options, embedded = json.loads(base64.b64decode(message["body"]))
    assert (arguments, options) == ([number, "build"], {})
    assert [link["args"] for link in embedded["chain"]] == [[number, "release"], [number, "test"]]
    assert "hunter2" not in json.dumps(message) + json.dumps(embedded)
    assert message["headers"]["argsrepr"] == f"#{number} thyme main"
