"""What a job covered is compared with what it covered when it last passed on its branch."""

import pytest

from farm.pipeline import Status
from tests.records import Farm

pytestmark = pytest.mark.redis


def test_a_pipeline_is_compared_with_the_one_before(farm: Farm) -> None:
    def cover(number: int, percent: float, status: Status = Status.PASSED) -> object:
        result = {"coverage": {"percent": percent, "covered": 1, "valid": 2}}
        farm.record.commit(farm.claim(number, "test"), status, result=result)
        return farm.record.pipeline(number).stages[1].jobs[0].result["coverage"].get("before")

    def opened(old: str, new: str) -> int:
        number = farm.open(old, new)
        farm.pass_step(number, "build")
        return number

    first, second = opened("-", "a"), opened("a", "b")
    assert cover(first, 80.5) is None
    assert cover(second, 60, Status.FAILED) == 80.5
    farm.record.retry(second, "jo")
    assert cover(second, 70) == 80.5
    farm.pass_step(second, "release")
    farm.record.retry(second, "jo")
    assert cover(second, 71) == 80.5, "it is not compared with itself"
    assert cover(opened("b", "c"), 72) == 71
