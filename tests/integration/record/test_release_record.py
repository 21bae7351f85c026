"""RELEASE_BEGIN and what follows: a tag only moves forward, whoever finishes when."""

import threading
from dataclasses import replace

import pytest

from farm.errors import Canceled, LeaseLost, Refused
from farm.pipeline import Status
from tests.records import CHAIN, Farm

pytestmark = pytest.mark.redis


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def test_the_tested_digest_is_released_and_written_down(farm: Farm) -> None:
    number = farm.open()
    claim = farm.to_release(number)
    intent = farm.record.release_begin(claim, "latest")
    assert (intent.go, intent.digest, intent.number, intent.confirmed) == (True, digest(number), number, False)
    assert farm.record.release_begin(claim, "latest") == intent  # its reply was lost
    assert farm.record.release_done(claim, "latest")
    assert farm.record.release_done(claim, "latest")
    farm.record.commit(claim, Status.PASSED)
    assert farm.record.pipeline(number).released == ("latest",)
    assert farm.record.intents()[0].confirmed
    assert farm.redis.xlen("farm:releases:thyme:latest") == 1


def test_an_older_push_that_finishes_late_is_superseded(farm: Farm) -> None:
    older, newer = farm.open("-", "a"), farm.open("a", "b")
    claim = farm.to_release(older)
    farm.release(newer)
    intent = farm.record.release_begin(claim, "latest")
    assert (intent.go, intent.winner, intent.digest) == (False, newer, digest(newer))
    farm.record.commit(claim, Status.SUPERSEDED, reason=intent.reason)
    pipeline = farm.record.pipeline(older)
    assert (pipeline.status, pipeline.reason, pipeline.released) == (Status.SUPERSEDED, f"superseded by #{newer}", ())


def test_the_intent_of_a_newer_push_is_enough(farm: Farm) -> None:
    older, newer = farm.open("-", "a"), farm.open("a", "b")
    claim = farm.to_release(older)
    assert farm.record.release_begin(farm.to_release(newer), "latest").go
    assert farm.record.release_begin(claim, "latest").winner == newer


def test_an_older_release_that_is_overtaken_is_told(farm: Farm) -> None:
    older, newer = farm.open("-", "a"), farm.open("a", "b")
    claim = farm.to_release(older)
    assert farm.record.release_begin(claim, "latest").go
    farm.release(newer)
    farm.record.checked(farm.record.intents()[0], 60)
    assert farm.record.intents(due=True) == []
    assert not farm.record.release_done(claim, "latest")
    assert farm.record.intents(due=True) != []  # its manifest may lie over the newer one
    assert farm.record.pipeline(older).released == ()


def test_order_is_that_of_the_ref_not_of_the_numbers(farm: Farm) -> None:
    first = farm.open("b", "c")
    late_predecessor = farm.open("a", "b")
    farm.release(first)
    assert farm.record.release_begin(farm.to_release(late_predecessor), "latest").winner == first


def test_each_branch_has_its_own_order_but_a_tag_has_one_owner(farm: Farm) -> None:
    main, topic = farm.open("-", "a"), farm.open("-", "b", ref="refs/heads/topic")
    farm.release(main)
    claim = farm.to_release(topic)
    with pytest.raises(Refused, match="belongs to refs/heads/main"):
        farm.record.release_begin(claim, "latest")
    assert farm.record.release_begin(claim, "topic").go


def test_a_tag_whose_branch_is_deleted_goes_to_the_next_that_releases_it(farm: Farm) -> None:
    """As when the default branch gets another name; the order begins anew, and the old name gets nothing back."""
    first, late = farm.open("-", "a"), farm.open("a", "b")
    farm.release(first)
    held_up = farm.to_release(late)
    farm.enter(farm.push("b", "-"))
    other = farm.open("-", "a", ref="refs/heads/trunk")
    farm.release(other)
    assert farm.record.intents()[0].number == other
    with pytest.raises(Refused, match="belongs to refs/heads/trunk of thyme"):
        farm.record.release_begin(held_up, "latest")
    assert farm.record.rollback("thyme", "latest", None, "jo").number == first
    again = farm.open("-", "c")
    with pytest.raises(Refused, match="belongs to refs/heads/trunk of thyme as long as that is there"):
        farm.record.release_begin(farm.to_release(again), "latest")
    farm.release(farm.open("a", "d", ref="refs/heads/trunk"))


def test_a_tag_of_a_deleted_branch_goes_to_no_other_repository(farm: Farm) -> None:
    farm.release(farm.open("-", "a"))
    farm.enter(farm.push("a", "-"))
    farm.ledger.register("sage", "file:///sage.git", "main", {})
    entry = farm.ledger.enter("sage", [farm.push("-", "a", repository="sage")])[0]
    farm.record.open(entry.number, definition="{}", steps=CHAIN, image_repository="thyme")
    with pytest.raises(Refused, match="belongs to refs/heads/main of thyme"):
        farm.record.release_begin(farm.to_release(entry.number), "latest")


def test_nothing_is_released_without_fence_image_or_leave(farm: Farm) -> None:
    number = farm.open()
    claim = farm.to_release(number)
    zombie = replace(claim, fence=claim.fence - 1)
    with pytest.raises(LeaseLost):
        farm.record.release_begin(zombie, "latest")
    assert farm.record.release_begin(claim, "latest").go
    farm.record.checked(farm.record.intents()[0], 60)
    with pytest.raises(LeaseLost):
        farm.record.release_done(zombie, "latest")
    assert farm.record.intents(due=True) != []
    canceled = farm.open("a", "b")
    claim = farm.to_release(canceled)
    farm.record.cancel(canceled, "jo")
    with pytest.raises(Canceled):
        farm.record.release_begin(claim, "latest")


def test_without_a_built_image_nothing_is_released(farm: Farm) -> None:
    number = farm.open()
    farm.record.commit(farm.claim(number, "build"), Status.PASSED)
    farm.pass_step(number, "test")
    with pytest.raises(Refused, match="no built image"):
        farm.record.release_begin(farm.claim(number, "release"), "latest")
    assert farm.record.intents() == []


@pytest.mark.parametrize("status", ["failed", "running", "pending", "skipped"])
def test_what_did_not_pass_is_not_released_whoever_claimed_it(farm: Farm, status: str) -> None:
    number = farm.open()
    claim = farm.to_release(number)
    farm.redis.hset(f"farm:pipeline:{number}:step:test", "status", status)
    with pytest.raises(Refused, match="whose tests passed"):
        farm.record.release_begin(claim, "latest")
    assert farm.record.intents() == []


def test_a_claim_of_another_step_releases_nothing(farm: Farm) -> None:
    number = farm.open()
    farm.pass_step(number, "build")
    test = farm.claim(number, "test")
    with pytest.raises(LeaseLost):
        farm.record.release_begin(replace(test, step="release"), "latest")


def test_cancel_comes_too_late_once_a_release_has_begun(farm: Farm) -> None:
    number = farm.open()
    claim = farm.to_release(number)
    assert farm.record.release_begin(claim, "latest").go
    with pytest.raises(Refused, match="too late"):
        farm.record.cancel(number, "jo")
    farm.record.commit(claim, Status.PASSED)


def test_an_intent_is_due_until_the_registry_was_read_again(farm: Farm, poll) -> None:
    number = farm.open()
    claim = farm.to_release(number)
    farm.record.release_begin(claim, "latest")
    assert farm.record.intents(due=True) == []
    intent = poll(lambda: farm.record.intents(due=True))[0]
    assert farm.record.checked(intent, 0.0, held=False)
    assert farm.record.pipeline(number).released == ()
    assert farm.record.checked(intent, 5.0)
    assert farm.record.intents(due=True) == []
    assert farm.record.pipeline(number).released == ("latest",)  # the reconciler finished what a lost worker began
    assert not farm.record.checked(replace(intent, fence=0), 5.0)


def test_a_drift_is_told_of_what_the_tag_shall_be_now_only(farm: Farm) -> None:
    farm.release(farm.open("-", "a"))
    (seen,) = farm.record.intents()
    newer = farm.open("a", "b")
    farm.release(newer)
    assert not farm.record.drifted(seen, "it was something else")
    assert farm.record.drifted(farm.record.intents()[0], "it was something else")
    assert [event[0] for event in farm.events() if event[1] == "drift"] == [str(newer)]


def test_a_rollback_leaves_the_mark(farm: Farm) -> None:
    letters = "-abcde"
    first, second, third = (farm.open(letters[k], letters[k + 1]) for k in range(3))
    farm.release(first)
    farm.release(third)
    intent = farm.record.rollback("thyme", "latest", first, "jo")
    assert (intent.digest, intent.number, intent.confirmed) == (digest(first), first, False)
    assert farm.record.intents(due=True) == [intent]
    assert farm.record.release_begin(farm.to_release(second), "latest").winner == third
    fourth = farm.open("c", "d")
    farm.release(fourth)
    assert farm.record.intents()[0].digest == digest(fourth)


def test_a_rollback_is_not_undone_by_the_release_that_it_followed(farm: Farm) -> None:
    first, second = farm.open("-", "a"), farm.open("a", "b")
    farm.release(first)
    claim = farm.to_release(second)
    farm.record.release_begin(claim, "latest")
    farm.record.rollback("thyme", "latest", first, "jo")
    assert not farm.record.release_done(claim, "latest")
    assert farm.record.release_begin(claim, "latest").winner == first


def test_a_rollback_is_thought_over_when_a_release_came_in_between(farm: Farm) -> None:
    """Where it goes depends on what the tag is: what was before the newest is the one between, not the first."""
    first, second, third = (farm.open(old, new) for old, new in ("-a", "ab", "bc"))
    farm.release(first)
    farm.release(second)
    (seen,) = farm.record.intents()
    farm.release(third)
    assert farm.record.scripts.run("rollback", "thyme", "latest", first, "jo", seen.fence) == ["changed"]
    assert farm.record.rollback("thyme", "latest", None, "jo").number == second


def test_a_rollback_goes_to_what_was_released_only(farm: Farm) -> None:
    first, second = farm.open("-", "a"), farm.open("a", "b")
    with pytest.raises(Refused, match="never released"):
        farm.record.rollback("thyme", "latest", first, "jo")
    farm.release(first)
    for number in (second, 99):
        with pytest.raises(Refused, match="never released"):
            farm.record.rollback("thyme", "latest", number, "jo")


def test_the_mark_holds_when_its_pipeline_is_forgotten(farm: Farm) -> None:
    first, older, newer = farm.open("-", "x"), farm.open("x", "a"), farm.open("a", "b")
    farm.release(first)
    farm.release(newer)
    farm.record.rollback("thyme", "latest", first, "jo")
    assert farm.record.forget(days=0, keep=10) == 1
    newest = farm.open("b", "c")
    assert farm.record.release_begin(farm.to_release(older), "latest").winner == newer
    assert farm.record.release_begin(farm.to_release(newest), "latest").go


def test_racing_releases_leave_the_newest(farm: Farm) -> None:
    letters = "-abcdefgh"
    numbers = [farm.open(letters[k], letters[k + 1], steps=CHAIN) for k in range(8)]
    claims = [farm.to_release(number) for number in numbers]
    start = threading.Barrier(len(claims))
    seen: list[int] = []

    def race(claim) -> None:
        start.wait()
        if farm.record.release_begin(claim, "latest").go:
            seen.append(claim.number)

    threads = [threading.Thread(target=race, args=(claim,)) for claim in claims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert farm.record.intents()[0].number == numbers[-1]
    assert numbers[-1] in seen
