"""The chain on a real broker with a real worker that knows only the names of the tasks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from farm import broker
from farm.errors import Unreachable
from farm.pipeline import Step

pytestmark = pytest.mark.redis

STEPS = (
    Step("build", "build", queue="build"),
    Step("test", "test", ("build",), "test"),
    Step("release", "release", ("test",), "release"),
)
# What a worker sees of each link goes into a list of its Redis.
TASKS = """
import os
import redis
from celery.exceptions import Ignore
from farm.broker import TASKS, app

seen = redis.Redis.from_url(os.environ["FARM_REDIS_URL"], decode_responses=True)

def run(self, number, step):
    queue = self.request.delivery_info["routing_key"]
    seen.rpush("seen", f"{self.name} {number} {step} {self.request.argsrepr} {queue}")
    if seen.get("stop") == step:
        raise Ignore

for name in TASKS.values():
    app.task(run, bind=True, name=name)
"""


@pytest.fixture
def queue(redis_server: Any) -> Iterator[Any]:
    """The broker's app on the test's own Redis, whatever an earlier test used."""
    before = dict(broker.app.conf.items()).get("broker_url") if broker.app.configured else None
    forget_connections()
    broker.app.conf.broker_url = redis_server.url
    yield broker.app
    forget_connections()
    broker.app.conf.broker_url = before


def forget_connections() -> None:
    """Let the next message go by the address that is set then, not by one that is kept from before."""
    if broker.app._pool is not None:
        broker.app._pool.force_close_all()
    broker.app._pool = None
    broker.app.amqp._producer_pool = None


@pytest.fixture
def worker(redis_server: Any, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    (tmp_path / "names.py").write_text(TASKS)
    command = [sys.executable, "-m", "celery", "-A", "names", "worker", "-c", "1", "-Q", ",".join(broker.QUEUES)]
    env = {**os.environ, "FARM_REDIS_URL": redis_server.url, "PYTHONPATH": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--without-mingle"], cwd=tmp_path, env=env, stdout=log, stderr=log)
    yield process
    process.terminate()
    process.wait(60)


@pytest.mark.usefixtures("worker", "queue")
def test_a_chain_goes_from_link_to_link_by_name(redis_client: Any, poll: Any) -> None:
    broker.publish(218, STEPS, "thyme main 3f9c2e1")
    poll(lambda: redis_client.llen("seen") == 3, deadline=60)
    assert redis_client.lrange("seen", 0, -1) == [
        "stage.build 218 build #218 thyme main 3f9c2e1 build",
        "stage.test 218 test #218 thyme main 3f9c2e1 test",
        "stage.release 218 release #218 thyme main 3f9c2e1 release",
    ]
    redis_client.set("stop", "test/arm")
    broker.publish(219, (Step("test/arm", "test", ("build",), "test"), STEPS[2]), "thyme main 3f9c2e1")
    broker.publish(220, STEPS[2:], "thyme main 3f9c2e1")
    poll(lambda: redis_client.llen("seen") == 5, deadline=60)
    assert "stage.test 219 test/arm #219 thyme main 3f9c2e1 test/arm test" in redis_client.lrange("seen", 3, -1)
    assert not redis_client.keys("celery-task-meta-*")  # no result is kept, the record has it


def test_a_broker_that_is_away_is_said_soon(queue: Any, redis_server: Any) -> None:
    redis_server.kill()
    began = monotonic()
    with pytest.raises(Unreachable, match="is Redis running"):
        broker.publish(1, STEPS, "thyme main 3f9c2e1")
    assert monotonic() - began < 20  # the patience of workers is a minute
    redis_server.start()
    broker.publish(1, STEPS, "thyme main 3f9c2e1")
    assert queue.conf.task_acks_late


@pytest.mark.usefixtures("queue")
def test_nothing_sends_nothing(redis_client: Any) -> None:
    broker.publish(1, (), "thyme main 3f9c2e1")
    assert redis_client.keys("*") == []
