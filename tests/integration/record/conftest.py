"""One Redis for all of these tests, emptied between them."""

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from tests.records import Farm


@pytest.fixture(scope="session")
def record_redis(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[..., str], poll: Callable[..., Any]
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("record")
    socket = folder / "redis.sock"
    command = [need("redis-server"), "--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*command, "--maxmemory-policy", "noeviction"], stdout=log, stderr=log)
    client = redis.Redis(unix_socket_path=str(socket), decode_responses=True)
    poll(client.ping)
    client.close()
    yield str(socket)
    process.kill()
    process.wait()


@pytest.fixture
def client(record_redis: str) -> Iterator[Any]:
    client = redis.Redis(unix_socket_path=record_redis, decode_responses=True)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def farm(client: Any) -> Iterator[Farm]:
    farm = Farm(client)
    yield farm
    farm.logs.close()


@pytest.fixture
def hasty(client: Any) -> Iterator[Farm]:
    """A farm whose leases are short enough to expire in a test."""
    farm = Farm(client, lease=0.2)
    yield farm
    farm.logs.close()
