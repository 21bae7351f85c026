"""A storm over several hosts ends with nothing lost, nothing doubled, nothing left behind.

`make storm MINUTES=10 SEED=7` runs one by hand; the seed is printed, and a failure is told with it.
"""

import os
import random

import pytest

from tests.hosts.storm import storm

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("seconds", "least"),
    [
        pytest.param(20, 4, id="short", marks=pytest.mark.timeout(400)),
        pytest.param(600, 100, id="ten minutes", marks=[pytest.mark.long, pytest.mark.timeout(1200)]),
    ],
)
def test_the_promises_hold_in_a_storm(tmp_path, seconds, least):
    seed = int(os.environ.get("FARM_STORM_SEED") or random.randrange(10000))
    ended = storm(tmp_path, seconds, seed)
    assert not ended.wrongs, f"seed {seed}"
    assert ended.faults >= least, f"seed {seed}"
