"""A farm's record on a Redis of the test's own, which it may kill and freeze; it keeps an AOF that loses nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.records import Farm


@pytest.fixture
def farm(redis_client: Any) -> Iterator[Farm]:
    redis_client.config_set("appendfsync", "always")
    farm = Farm(redis_client, lease=0.4)
    yield farm
    farm.logs.close()
