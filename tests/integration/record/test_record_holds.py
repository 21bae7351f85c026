"""Who sweeps an engine asks the record which attempts still work."""

import pytest

from farm.pipeline import Status
from tests.records import Farm

pytestmark = pytest.mark.redis


def test_only_the_fence_of_a_running_step_holds_it(farm: Farm) -> None:
    number = farm.open()
    assert not farm.record.holds(number, "build", 0)
    claim = farm.claim(number, "build")
    assert farm.record.holds(number, "build", claim.fence)
    assert not farm.record.holds(number, "build", claim.fence - 1)
    farm.record.commit(claim, Status.PASSED)
    assert not farm.record.holds(number, "build", claim.fence)
    assert not farm.record.holds(number + 1, "build", claim.fence)
