"""What a build prepares for the test behind it is used once, by that test, or is gone soon."""

import pytest

from farm.broker import unforked
from farm.pipeline import Status

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine]

SERVICE = "  services:\n    db: {image: %s, command: [httpd, -f, -p, '8080'], ready: {port: 8080}}\n"


def prepared(farm):
    """Say whether network, holder and service are there."""
    return {item.kind for item in farm.engine.objects({"farm.id": farm.settings.farm_id, "farm.step": "build"})} == {
        "container",
        "network",
    }


def slow(files, ending="true"):
    """Let the build itself take long, or fail after a while."""
    return files("true") | {"Dockerfile": files("true")["Dockerfile"] + f"RUN sleep 2; {ending} # {ending}\n"}


def test_the_test_lies_in_what_the_build_has_prepared(pair, files, images, poll):
    number = pair.push(files("wget -qO- http://db:8080/etc/passwd", SERVICE % images.busybox))
    pair.wake(number)
    assert poll(lambda: pair.ended(number), 60).status is Status.PASSED
    bed = pair.job(number, "build").result["prepared"]
    assert bed["worker"] == pair.job(number, "build").worker == pair.job(number, "test").worker
    assert bed["holder"]
    assert list(bed["services"]) == ["db"]
    assert "nobody:x:" in pair.log(number, "test")
    poll(lambda: not pair.left(), what="everything to be gone")


def test_the_worker_that_built_gets_the_test(pair, files, poll):
    numbers = [pair.push(files("true")) for _ in range(4)]
    pair.send([(number, unforked(pair.steps)) for number in numbers])
    for number in numbers:
        ended = poll(lambda number=number: pair.ended(number), 60)
        assert ended.status in (Status.PASSED, Status.SUPERSEDED)  # each of them may release before an older one does
    where = [(pair.job(number, "build").worker, pair.job(number, "test").worker) for number in numbers]
    assert {build for build, _ in where} == {"w1@here", "w2@here"}
    assert all(build == test for build, test in where)
    assert {queue for worker in pair.record.workers() for queue in worker.queues} == {"build", "test", "release"}
    poll(lambda: not pair.left(), what="everything to be gone")


def test_kill_9_during_the_build(farm, files, poll):
    number = farm.push(slow(files))
    worker = farm.worker("w1")
    farm.wake(number)
    poll(lambda: prepared(farm), 60)
    farm.kill(worker)
    farm.worker("w2")
    assert poll(lambda: farm.ended(number), 60).status is Status.PASSED
    assert farm.job(number, "build").attempts == 2
    assert farm.job(number, "build").result["prepared"]["worker"] == "w2@here"
    poll(lambda: not farm.left(), what="everything to be gone")


def test_a_build_that_fails(pair, files, poll):
    number = pair.push(slow(files, "false"))
    pair.wake(number)
    poll(lambda: prepared(pair), 60)
    assert poll(lambda: pair.ended(number), 60).status is Status.FAILED
    poll(lambda: not pair.left(), 60, what="everything to be gone")


def test_between_the_build_and_the_test(farm, files, poll):
    """The pipeline is canceled; the test runs on another worker; the worker is killed and comes back."""

    def built():
        number = farm.push(files("true"))
        farm.wake(number)
        poll(lambda: farm.job(number, "build").status is Status.PASSED, 60)
        assert prepared(farm)
        return number

    builder = farm.worker("w1", queues="build")
    farm.record.cancel(built(), "me")
    poll(lambda: not farm.left(), 60, what="everything of the canceled one to be gone")

    number = built()
    tester = farm.worker("w2", queues="test,release")
    assert poll(lambda: farm.ended(number), 60).status is Status.PASSED
    assert farm.job(number, "test").worker == "w2@here"
    poll(lambda: not farm.left(), what="everything of the one that went elsewhere to be gone")

    farm.kill(tester)
    number = built()
    farm.kill(builder)
    farm.worker("w1")
    assert poll(lambda: farm.ended(number), 60).status is Status.PASSED
    poll(lambda: not farm.left(), what="everything to be gone")
