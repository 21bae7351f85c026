"""What a build prepares for the test behind it is used once, by that test, or is gone soon."""

import pytest

from farm.pipeline import Status

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine]

SERVICE = "  services:\n    db: {image: %s, command: [httpd, -f, -p, '8080'], ready: {port: 8080}}\n"


def job(farm, number, name):
    return next(job for stage in farm.record.pipeline(number).stages for job in stage.jobs if job.name == name)


def prepared(farm):
    """Say whether network, holder and service are there."""
    return {item.kind for item in farm.engine.objects({"farm.id": farm.settings.farm_id, "farm.step": "build"})} == {
        "container",
        "network",
    }


def slow(files, ending="true"):
    """Let the build itself take long, or fail after a while."""
    return files("true") | {"Dockerfile": files("true")["Dockerfile"] + f"RUN sleep 2; {ending} # {ending}\n"}


def test_the_test_lies_in_what_the_build_has_prepared(farm, files, images, poll):
    number = farm.push(files("wget -qO- http://db:8080/etc/passwd", SERVICE % images.busybox))
    farm.worker()
    farm.wake(number)
    assert poll(lambda: farm.ended(number), 60).status is Status.PASSED
    bed = job(farm, number, "build").result["prepared"]
    assert bed["worker"] == "w1@here"
    assert bed["holder"]
    assert list(bed["services"]) == ["db"]
    assert "nobody:x:" in farm.log(number, "test")
    poll(lambda: not farm.left(), what="everything to be gone")


def test_the_worker_that_built_gets_the_test(farm, files, poll):
    farm.worker("w1")
    farm.worker("w2")
    poll(lambda: len(farm.record.workers()) == 2)
    numbers = [farm.push(files("true")) for _ in range(4)]
    for number in numbers:
        farm.wake(number)
    for number in numbers:
        ended = poll(lambda number=number: farm.ended(number), 60)
        assert ended.status in (Status.PASSED, Status.SUPERSEDED)  # each of them may release before an older one does
    where = [(job(farm, number, "build").worker, job(farm, number, "test").worker) for number in numbers]
    assert {build for build, _ in where} == {"w1@here", "w2@here"}
    assert all(build == test for build, test in where)
    assert {queue for worker in farm.record.workers() for queue in worker.queues} == {"build", "test", "release"}
    poll(lambda: not farm.left(), what="everything to be gone")


def test_kill_9_during_the_build(farm, files, poll):
    number = farm.push(slow(files))
    worker = farm.worker("w1")
    farm.wake(number)
    poll(lambda: prepared(farm), 60)
    farm.kill(worker)
    farm.worker("w2")
    assert poll(lambda: farm.ended(number), 60).status is Status.PASSED
    assert job(farm, number, "build").attempts == 2
    assert job(farm, number, "build").result["prepared"]["worker"] == "w2@here"
    poll(lambda: not farm.left(), what="everything to be gone")


def test_a_build_that_fails(farm, files, poll):
    number = farm.push(slow(files, "false"))
    farm.worker()
    farm.wake(number)
    poll(lambda: prepared(farm), 60)
    assert poll(lambda: farm.ended(number), 60).status is Status.FAILED
    poll(lambda: not farm.left(), 60, what="everything to be gone")


def test_kill_9_before_the_test_is_claimed(farm, files, poll):
    number = farm.push(files("true"))
    worker = farm.worker("w1", queues="build")
    farm.wake(number)
    poll(lambda: job(farm, number, "build").status is Status.PASSED, 60)
    assert prepared(farm)
    farm.kill(worker)
    farm.worker("w1")
    assert poll(lambda: farm.ended(number), 60).status is Status.PASSED
    poll(lambda: not farm.left(), what="everything to be gone")


def test_a_test_that_runs_on_another_worker(farm, files, poll):
    number = farm.push(files("true"))
    farm.worker("w1", queues="build")
    farm.wake(number)
    poll(lambda: job(farm, number, "build").status is Status.PASSED, 60)
    assert prepared(farm)
    farm.worker("w2", queues="test,release")
    assert poll(lambda: farm.ended(number), 60).status is Status.PASSED
    assert job(farm, number, "test").worker == "w2@here"
    poll(lambda: not farm.left(), what="everything to be gone")


def test_a_pipeline_that_is_canceled_before_its_test(farm, files, poll):
    number = farm.push(files("true"))
    farm.worker(queues="build")
    farm.wake(number)
    poll(lambda: job(farm, number, "build").status is Status.PASSED, 60)
    assert prepared(farm)
    farm.record.cancel(number, "me")
    poll(lambda: not farm.left(), 60, what="everything to be gone")
