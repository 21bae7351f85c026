"""The bed that a build prepares for the test: who may lie in it, and what becomes of one that nobody may."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from farm.definition import Definition, Job, Ready, Service
from farm.errors import Failed
from farm.pipeline import Status
from workers import build, test

pytestmark = [pytest.mark.engine, pytest.mark.registry]


@pytest.fixture
def built(repository, workspace, images):
    """Give a function that builds with a job behind it and returns the workspace of the test and what was prepared."""

    def run(*, worker: str = "w1@here", attempt: int = 1, **job: Any):
        commit = repository.commit({"Dockerfile": f"FROM {images.busybox}\nCOPY . /app\nWORKDIR /app\n"})
        job = {"script": ("test -s Dockerfile",)} | job
        definition = Definition(jobs={"test": Job(**job)})
        work = workspace(commit, definition, wanted=lambda: True)
        with ExitStack() as teardown:
            result = build.run(replace(work, teardown=teardown)).document()
        work = workspace(commit, definition, step="test", image=result["image"])
        claim = replace(work.claim, results={"build": result}, worker=worker, attempt=attempt)
        return replace(work, claim=claim), result.get("prepared")

    return run


def names(work, step):
    return {item.name for item in work.engine.objects({"farm.id": work.owner.farm, "farm.step": step})}


def test_a_job_alone_gets_a_place_that_is_held(built):
    work, bed = built()
    assert names(work, "build") == {bed["network"], bed["holder"]}
    assert test.run(work).status is Status.PASSED
    [job] = names(work, "test")
    assert "-test-" in job


def test_services_are_there_already(built, images, said):
    service = Service(image=images.busybox, command=("httpd", "-f", "-p", "7000", "-h", "/etc"), ready=Ready(port=7000))
    work, bed = built(script=("wget -qO- http://db:7000/passwd",), services={"db": service})
    assert names(work, "build") == {bed["network"], bed["holder"], bed["services"]["db"]}
    assert test.run(work).status is Status.PASSED
    assert "service db is ready after" in said.text
    assert len(names(work, "test")) == 1


def test_a_shared_network_is_held_by_its_first_service(built, images):
    service = Service(image=images.busybox, command=("httpd", "-f", "-p", "7000", "-h", "/etc"), ready=Ready(port=7000))
    other = Service(image=images.busybox, command=("httpd", "-f", "-p", "7001", "-h", "/etc"), ready=Ready(port=7001))
    script = ("wget -qO- http://localhost:7000/passwd", "wget -qO- http://b:7001/passwd")
    work, bed = built(script=script, services={"a": service, "b": other}, network="shared")
    assert bed["holder"] is None
    assert list(bed["services"]) == ["a", "b"]
    assert test.run(work).status is Status.PASSED


def test_what_has_to_be_pulled_first_is_left_to_the_test(built, registry):
    work, bed = built(services={"db": Service(image=f"{registry.host}/no/such:image")})
    assert bed["services"] == {}
    assert names(work, "build") == {bed["network"], bed["holder"]}
    with pytest.raises(Failed, match="cannot be pulled"):
        test.run(work)


@pytest.mark.parametrize("why", ["attempt", "worker", "holder", pytest.param("service", marks=pytest.mark.long)])
def test_one_that_may_not_be_used_is_taken_away(built, images, why):
    """A second attempt, another worker, or something in it that has ended."""
    service = Service(image=images.busybox, command=("sleep", "600"))
    more = {"attempt": {"attempt": 2}, "worker": {"worker": "w2@here"}}.get(why, {})
    work, bed = built(services={"db": service}, **more)
    if why in ("holder", "service"):
        work.engine.remove("container", bed["holder"] if why == "holder" else bed["services"]["db"])
    assert test.run(work).status is Status.PASSED
    assert not names(work, "build")
    assert len(names(work, "test")) == 3


def test_nothing_is_prepared_for_a_job_that_another_worker_may_get(built):
    work, bed = built(runs_on=("arm64",))
    assert bed is None
    assert not names(work, "build")


def test_nothing_is_left_of_one_that_nobody_wants(repository, workspace, images):
    commit = repository.commit({"Dockerfile": f"FROM {images.busybox}\n"})
    work = workspace(commit, Definition(jobs={"test": Job(script=("true",))}))
    with ExitStack() as teardown:
        assert "prepared" in build.run(replace(work, teardown=teardown)).document()
    assert not names(work, "build")
