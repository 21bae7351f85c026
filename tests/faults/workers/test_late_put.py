"""A manifest that a frozen worker's host lets loose when others have long released: it is put right within 5 s."""

import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from farm.pipeline import Status
from farm.reconcile import settle_tags
from tests.road import Road

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine]


@pytest.fixture
def road(farm, registry) -> Iterator[Road]:
    """Let the farm's workers reach the registry on this road; the test itself reaches it directly."""
    road = Road("127.0.0.1", ("127.0.0.1", registry.port))
    farm.env["FARM_REGISTRY"] = f"127.0.0.1:{road.port}"
    yield road
    road.close()


@pytest.fixture
def reconciler(farm) -> Iterator[None]:
    """Do what the dispatcher's reconciler does."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(settle_tags(farm.record, farm.registry)):
            pass

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


def test_it_is_put_right_within_five_seconds(farm, files, poll, road, request):
    older = farm.push(files("true"))
    frozen = farm.worker("w1")
    farm.wake(older)
    poll(road.stuck.is_set, 60)
    farm.kill(frozen, signal.SIGSTOP)
    farm.worker("w2")
    assert poll(lambda: farm.ended(older), 60).status is Status.PASSED
    newer = farm.push(files("true", "# newer\n"))
    farm.wake(newer)
    pipeline = poll(lambda: farm.ended(newer), 60)
    assert pipeline.status is Status.PASSED
    wanted = pipeline.image.partition("@")[2]
    late = farm.record.pipeline(older).image.partition("@")[2]
    assert farm.registry.digest(farm.image, "latest") == wanted != late

    def told() -> list[str]:
        return [entry["found"] for entry in said if entry["event"] == "tag.drifted"]

    with capture_logs() as said:
        request.getfixturevalue("reconciler")
        road.loose.set()
        poll(lambda: farm.registry.digest(farm.image, "latest") == late, what="the late write to arrive")
        arrived = time.monotonic()
        poll(lambda: farm.registry.digest(farm.image, "latest") == wanted, 5, what="the tag to be put right")
        sys.stdout.write(f"put right after {time.monotonic() - arrived:.1f} s\n")
        poll(told, what="the drift to be told")
    farm.kill(frozen, signal.SIGCONT)
    assert told() == [late]
    assert [farm.record.pipeline(number).status for number in (older, newer)] == [Status.PASSED, Status.PASSED]
    again = farm.push(files("true", "# again\n"))
    farm.wake(again)
    pipeline = poll(lambda: farm.ended(again), 60)
    assert farm.registry.digest(farm.image, "latest") == pipeline.image.partition("@")[2]
    poll(lambda: not farm.left(), what="everything to be gone")
