"""The page of images made from a real record, without the server around it."""

from importlib import import_module

import pytest

from farm.flower import pages
from farm.flower.site import Site
from farm.pipeline import Status
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
