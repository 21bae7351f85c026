"""Pages made from a real record, without the server around them: what they leave out where there is much."""

from importlib import import_module

import pytest

from farm.flower import pages
from farm.flower.site import Site
from farm.pipeline import Status, Step
from tests.records import Farm

pytestmark = pytest.mark.redis


def test_tags_that_each_release_makes_anew_do_not_crowd_out_the_others(redis_client, monkeypatch):
    monkeypatch.setattr(import_module("farm.flower.pages.images"), "MOST", 3)
    farm = Farm(redis_client)
    for old, new in ("-a", "ab", "bc", "cd"):
        number = farm.open(old, new)
        claim = farm.to_release(number)
        for tag in (f"at-{new}", "latest"):
            assert farm.record.release_begin(claim, tag).go
            assert farm.record.release_done(claim, tag)
        farm.record.commit(claim, Status.PASSED)
    body = pages.images(farm.record, Site()).body
    assert [tag for tag in ("at-a", "at-b", "at-c", "at-d", "latest") if f":<b>{tag}</b>" in body] == [
        "at-c",
        "at-d",
        "latest",
    ]
    assert "and 2 more" in body
    assert "more, which" not in pages.images(farm.record, Site(), "nothing").body


def test_a_matrix_that_fails_as_a_whole_is_shown_in_part(redis_client):
    farm = Farm(redis_client)
    jobs = [f"test/unit.{number}" for number in range(25)]
    tests = [Step(job, "test", ("build",), "test") for job in jobs]
    number = farm.open(steps=(Step("build", "build", (), "build"), *tests))
    farm.pass_step(number, "build")
    failing = [{"name": f"test_{name}", "suite": "", "message": "assert 0", "seconds": 0.1} for name in range(5)]
    for job in jobs:
        claim = farm.claim(number, job)
        with farm.logs.writer(number, job, claim.fence) as log:
            log.write(b"E   assert 0\n")
        counts = {"total": 5, "passed": 0, "failed": 5, "skipped": 0, "failing": failing}
        farm.record.commit(claim, Status.FAILED, reason="no", result={"tests": counts})
    body = pages.pipeline(farm.record, farm.logs, Site(), number).body
    assert (body.count("data-excerpt"), body.count("E   assert 0")) == (20, 20)
    assert (body.count("assert 0</pre>"), body.count(">5 in <a")) == (100, 5)
    assert body.count('<details class="farm-log"') == len(["build", *jobs])
