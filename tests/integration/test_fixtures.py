"""The real parts that tests lean on do what their docstrings say."""

import httpx
import pytest


@pytest.mark.redis
def test_redis_keeps_its_data_over_a_restart(redis_server):
    client = redis_server.client()
    client.set("a", "1")
    redis_server.stop()
    redis_server.start()
    assert client.get("a") == "1"
    client.close()


@pytest.mark.registry
def test_registry_answers(own_registry):
    assert httpx.get(f"{own_registry.url}/v2/_catalog").json() == {"repositories": []}


@pytest.mark.engine
def test_busybox_runs_its_applets(engine, images):
    output = engine.containers.run(
        images.busybox, ["sh", "-ec", "echo hello | grep -c h; wc -c </etc/passwd"], remove=True
    )
    assert output.split() == [b"1", b"64"]


def test_poll_says_what_was_not_met(poll):
    with pytest.raises(AssertionError, match="the moon was not met within 0"):
        poll(lambda: False, 0, what="the moon")
