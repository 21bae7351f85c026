"""The registry is away when a step needs it: that is ours, and it goes on when the registry is back."""

import pytest

from farm.pipeline import Status
from farm.registry import Registry

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine]


@pytest.fixture
def mortal(farm, own_registry):
    """Give the farm a registry of the test's own."""
    farm.registry.close()
    farm.registry = Registry(own_registry.host)
    farm.env["FARM_REGISTRY"] = own_registry.host
    return own_registry


def test_it_is_away_for_a_while(farm, files, poll, mortal):
    """Once for a build and once for a release."""
    farm.worker()
    mortal.kill()
    number = farm.push(files("true"))
    farm.wake(number)
    comes_back(farm, poll, mortal, number)

    number = farm.push(files("echo begun\nwhile ! [ -e /tmp/on ]; do sleep 0.1; done"))
    farm.wake(number)
    poll(lambda: "begun" in farm.log(number, "test"), 60)
    mortal.kill()
    own = {"farm.id": farm.settings.farm_id, "farm.step": "test"}
    [container] = [item.name for item in farm.engine.objects(own) if item.kind == "container"]
    farm.engine.exec(container, ("touch", "/tmp/on"), check=lambda: None)
    comes_back(farm, poll, mortal, number)


def comes_back(farm, poll, mortal, number):
    """Wait until a step misses the registry, start that, and see the pipeline pass."""
    needing = poll(lambda: farm.reap() or next(iter(blamed(farm, number)), None), 60, what="a step that misses it")
    assert farm.record.waiting(number)
    mortal.start()
    pipeline = poll(lambda: farm.ended(number), 60)
    assert (pipeline.status, pipeline.reason) == (Status.PASSED, None)
    again = farm.job(number, needing)
    assert again.attempts in (2, 3)
    assert farm.registry.digest(farm.image, "latest") == pipeline.image.partition("@")[2]
    poll(lambda: not farm.left(), what="everything to be gone")


def blamed(farm, number):
    """Name the steps that wait because the registry was away."""
    stages = farm.record.pipeline(number).stages
    return [job.name for stage in stages for job in stage.jobs if "registry" in str(job.reason)]
