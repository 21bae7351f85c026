"""What a build has prepared is held for the first attempt at the test on the same worker, and for nobody else."""

import pytest

from farm.pipeline import Status
from tests.records import Farm

pytestmark = pytest.mark.redis
RESULT = {"image": "host:5000/thyme@sha256:" + "1" * 64, "prepared": {"worker": "w1"}}


@pytest.fixture
def built(farm: Farm) -> tuple[int, int]:
    """A pipeline whose build has prepared something: its number and the build's fence."""
    number = farm.open()
    claim = farm.claim(number, "build")
    farm.record.commit(claim, Status.PASSED, result=RESULT)
    return number, claim.fence


def held(farm: Farm, built: tuple[int, int]) -> bool:
    number, fence = built
    return farm.record.holds(number, "build", fence)


def test_until_the_test_has_ended(farm: Farm, built: tuple[int, int]) -> None:
    assert held(farm, built)
    test = farm.claim(built[0], "test")
    assert held(farm, built)
    farm.record.commit(test, Status.PASSED)
    assert not held(farm, built)


def test_not_while_another_worker_tests(farm: Farm, built: tuple[int, int]) -> None:
    farm.claim(built[0], "test", "w2")
    assert not held(farm, built)


def test_not_for_a_second_attempt(farm: Farm, built: tuple[int, int]) -> None:
    farm.record.give_back(farm.claim(built[0], "test"), "the worker shuts down", counted=False)
    assert not held(farm, built)
    farm.claim(built[0], "test")
    assert not held(farm, built)


def test_not_after_a_cancel(farm: Farm, built: tuple[int, int]) -> None:
    farm.record.cancel(built[0], "me")
    assert not held(farm, built)


def test_not_for_an_older_fence(farm: Farm, built: tuple[int, int]) -> None:
    assert not farm.record.holds(built[0], "build", built[1] - 1)
