"""One farm on several hosts: what any of them can do, and what happens when one is cut off, frozen or gone."""

from pathlib import Path

import pytest

from farm.pipeline import Status
from tests.hosts.estate import Estate, estate
from tests.hosts.machines import until

pytestmark = pytest.mark.engine
DEFINITION = "test: sh /app/test.sh\n"


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("estate")
    with estate(folder) as farm:
        farm.staff("b1", "b2", "b3")
        yield farm


def final(farm: Estate, number: int) -> bool:
    return farm.record().pipeline(number).status.final


def finish(farm: Estate, number: int, seconds: float = 60) -> None:
    until(lambda: final(farm, number), seconds, f"pipeline #{number} ends")


def test_a_push_is_released_by_builders_that_only_know_the_network(farm):
    thyme = farm.repository("thyme")
    thyme.write(DEFINITION, **{"test.sh": "test -s /app/note\n"})
    thyme.commit("Begin")
    printed = thyme.push()
    assert "pipeline #" in printed
    (pipeline,) = farm.record().pipelines(repository="thyme")
    finish(farm, pipeline.number)
    pipeline = farm.record().pipeline(pipeline.number)
    assert pipeline.status is Status.PASSED, pipeline.reason
    assert list(pipeline.released) == ["latest"]
    assert Path(farm.builders["b1"].folder / "worker.log").exists()
