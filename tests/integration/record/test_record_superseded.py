"""Auto-cancel: a push whose definition says so ends the older pipelines of its ref."""

from typing import Any

import pytest

from farm.errors import Canceled, Refused
from farm.pipeline import Status
from tests.records import CHAIN, FAN, Farm

pytestmark = pytest.mark.redis


def opened(farm: Farm, old: str, new: str, *, supersede: bool = True, steps=CHAIN, **more: Any) -> int:
    number = farm.enter(farm.push(old, new, **more))[0]
    farm.record.open(number, definition="{}", steps=steps, image_repository="thyme", supersede=supersede)
    return number


def test_older_pipelines_end_and_name_the_winner(farm: Farm) -> None:
    waiting = farm.enter(farm.push("-", "a"))[0]
    running = farm.open("a", "b", steps=FAN)
    claim = farm.claim(running, "build")
    winner = opened(farm, "b", "c")
    for number in (waiting, running):
        pipeline = farm.record.pipeline(number)
        assert (pipeline.status, pipeline.reason) == (Status.SUPERSEDED, f"superseded by #{winner}")
    assert {job.status for stage in farm.record.pipeline(running).stages for job in stage.jobs} == {Status.SUPERSEDED}
    assert farm.status(winner) is Status.PENDING
    with pytest.raises(Canceled):
        farm.record.renew(claim)
    with pytest.raises(Canceled):
        farm.record.commit(claim, Status.PASSED)
    assert farm.record.claim(running, "test/a", "w1").verdict == "dead"
    assert farm.ledger.undispatched() == []
    assert [event[0] for event in farm.events() if event[1] == "finished"] == [str(running), str(waiting)]
    assert farm.redis.zrange("farm:deadlines", 0, -1) == [f"{winner} build"]


def test_unless_said_they_finish(farm: Farm) -> None:
    older, newer = farm.open("-", "a"), opened(farm, "a", "b", supersede=False)
    farm.release(older)
    farm.release(newer)
    assert farm.status(older) is farm.status(newer) is Status.PASSED


def test_other_refs_and_what_is_over_stay(farm: Farm) -> None:
    over, topic = farm.open("-", "a"), farm.open("-", "x", ref="refs/heads/topic")
    farm.release(over)
    opened(farm, "a", "b")
    assert farm.status(over) is Status.PASSED
    assert farm.status(topic) is Status.PENDING


def test_a_release_that_has_begun_ends_by_itself(farm: Farm) -> None:
    older = farm.open("-", "a")
    claim = farm.to_release(older)
    assert farm.record.release_begin(claim, "latest").go
    opened(farm, "a", "b")
    assert farm.record.release_done(claim, "latest")
    farm.record.commit(claim, Status.PASSED)
    assert farm.status(older) is Status.PASSED


def test_a_release_that_is_claimed_and_has_not_begun_does_not_begin(farm: Farm) -> None:
    claim = farm.to_release(farm.open("-", "a"))
    opened(farm, "a", "b")
    with pytest.raises(Canceled):
        farm.record.release_begin(claim, "latest")


def test_an_older_push_that_is_told_late_ends_at_once(farm: Farm) -> None:
    winner = opened(farm, "b", "c")
    late = opened(farm, "a", "b", supersede=False)
    assert farm.order() == [late, winner]
    assert farm.record.pipeline(late).reason == f"superseded by #{winner}"
    assert farm.record.pipeline(late).stages == ()


def test_a_newer_push_ends_nothing_that_is_newer_still(farm: Farm) -> None:
    newest = farm.open("b", "c")
    opened(farm, "a", "b")
    assert farm.status(newest) is Status.PENDING


def test_a_person_may_still_want_an_older_one(farm: Farm) -> None:
    ran, unread = farm.open("-", "a"), farm.enter(farm.push("a", "b"))[0]
    winner = opened(farm, "b", "c")
    farm.record.retry(ran, "jo")
    farm.record.retry(unread, "jo")
    assert farm.record.open(unread, definition="{}", steps=CHAIN, image_repository="thyme")
    farm.release(winner)
    for number in (ran, unread):
        assert farm.record.release_begin(farm.to_release(number), "latest").winner == winner


def test_a_retry_may_be_canceled_although_an_earlier_round_released(farm: Farm) -> None:
    number = farm.open()
    farm.release(number)
    farm.record.retry(number, "jo")
    farm.record.cancel(number, "jo")
    assert farm.status(number) is Status.CANCELED
    with pytest.raises(Refused, match="over already"):
        farm.record.cancel(number, "jo")
