"""Hosts that cannot or shall not work: others do it, nobody's pipeline pays for it, and it is said who and why."""

import pytest

from farm.pipeline import Pipeline, Status
from tests.hosts import engines
from tests.hosts.estate import Estate, Repository, estate
from tests.hosts.machines import Machine, until

pytestmark = [pytest.mark.engine, pytest.mark.long]
AWAY = "has no Docker Engine that answers"


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    with estate(tmp_path_factory.mktemp("estate")) as farm:
        farm.staff("c1", "c2")
        yield farm


@pytest.fixture(scope="module")
def thyme(farm):
    thyme = farm.repository("thyme")
    thyme.write("test: sh /app/test.sh\n", **{"test.sh": "exit 0\n"})
    return thyme


def push(thyme: Repository) -> int:
    commit = thyme.commit("Change something")
    thyme.push()
    record = thyme.estate.record()
    with record.redis:
        [newest] = record.pipelines(repository="thyme", limit=1)
    assert newest.commit == commit
    return newest.number


def ended(farm: Estate, number: int) -> Pipeline:
    record = farm.record()
    with record.redis:
        until(lambda: record.pipeline(number).status.final, 60, f"#{number} ends")
        return record.pipeline(number)


def workers(pipeline: Pipeline) -> set[str | None]:
    return {job.worker for stage in pipeline.stages for job in stage.jobs}


def closed(farm: Estate, machine: Machine) -> str | None:
    record = farm.record()
    with record.redis:
        return next(one.closed for one in record.workers() if one.name == farm.worker(machine))


def test_no_pipeline_pays_for_a_host_whose_engine_is_dead(farm, thyme):
    c1, c2 = farm.builders["c1"], farm.builders["c2"]
    c1.kill("engine")
    for _ in range(3):
        pipeline = ended(farm, push(thyme))
        assert pipeline.status is Status.PASSED, pipeline.reason
        assert workers(pipeline) == {farm.worker(c2)}
        assert all(job.attempts == 1 for stage in pipeline.stages for job in stage.jobs)
    assert closed(farm, c1) == AWAY

    c2.kill("engine")
    until(lambda: closed(farm, c2), 60, "c2 says that it takes no work")
    number = push(thyme)
    record = farm.record()
    with record.redis:
        assert record.waiting(number) == (
            f"no worker that serves `build` takes work: {farm.worker(c1)} {AWAY}; {farm.worker(c2)} {AWAY}"
        )
    engines.start(c1, farm.registry)
    pipeline = ended(farm, number)
    assert pipeline.status is Status.PASSED, pipeline.reason
    assert workers(pipeline) == {farm.worker(c1)}
    engines.start(c2, farm.registry)
    until(lambda: closed(farm, c2) is None, 60, "c2 takes work again")


def test_a_host_is_drained_by_name_and_stays_so_over_a_restart(farm, thyme):
    c1, c2 = farm.builders["c1"], farm.builders["c2"]
    command = ["workers", "drain", "c1"]
    printed = farm.centre.run_farm(command, farm.environment(farm.centre)).out
    assert printed.startswith(f"farm: {farm.worker(c1)} is drained by ")
    assert workers(ended(farm, push(thyme))) == {farm.worker(c2)}
    c1.kill("worker")
    farm.start_worker(c1)
    assert "is drained by" in str(closed(farm, c1))
    assert workers(ended(farm, push(thyme))) == {farm.worker(c2)}
    farm.centre.run_farm([*command, "--undo"], farm.environment(farm.centre))
    assert closed(farm, c1) is None
