"""ENTER: what is asked for by hand has an identity of its own, and a place by which `latest` never goes back."""

import pytest

from farm.push import Push
from tests.records import MAIN, Farm, oid

pytestmark = pytest.mark.redis


def by_hand(farm: Farm, commit: str, **more: str) -> Push:
    return farm.push(commit, commit, source="manual", **more)


def test_it_is_known_by_its_uuid_alone(farm: Farm) -> None:
    (push,) = farm.enter(farm.push("-", "a"))
    asked = by_hand(farm, "a")
    (first,), (again,), (other,) = farm.enter(asked), farm.enter(asked), farm.enter(by_hand(farm, "a"))
    assert first == again
    assert farm.order() == [push, first, other]
    assert farm.redis.hgetall(f"farm:occurrences:thyme:{MAIN}").keys() == {f"{oid('-')} {oid('a')}"}


@pytest.mark.parametrize("reflog", ["", "-a ab"])
def test_the_next_push_goes_behind_it(farm: Farm, reflog: str) -> None:
    push, hand, again = farm.enter(farm.push("-", "a"), by_hand(farm, "a"), by_hand(farm, "a"))
    (after,) = farm.enter(farm.push("a", "b"), reflog=reflog)
    assert farm.order() == [push, hand, again, after]


@pytest.mark.parametrize("reflog", ["", "ab"])
def test_so_it_does_where_the_ref_was_there_at_first(farm: Farm, reflog: str) -> None:
    (hand,) = farm.enter(by_hand(farm, "a"))
    (after,) = farm.enter(farm.push("a", "b"), reflog=reflog)
    assert farm.order() == [hand, after]


@pytest.mark.parametrize("reflog", ["", "-a ab"])
def test_one_that_a_push_overtook_on_its_way_goes_before_that(farm: Farm, reflog: str) -> None:
    """Its commit was looked up, then a push came in, then it was entered."""
    numbers = farm.enter(farm.push("-", "a"), farm.push("a", "b"), reflog=reflog)
    (hand,) = farm.enter(by_hand(farm, "a"))
    assert farm.order() == [numbers[0], hand, numbers[1]]
    (after,) = farm.enter(farm.push("b", "c"), reflog=f"{reflog} bc" if reflog else "")
    assert farm.order()[-1] == after


def test_so_it_does_where_that_was_the_first_push(farm: Farm) -> None:
    (push,) = farm.enter(farm.push("a", "b"))
    (hand,) = farm.enter(by_hand(farm, "a"))
    assert farm.order() == [hand, push]


@pytest.mark.parametrize("reflog", ["", "-a ab bc"])
def test_a_push_that_is_reported_after_it_goes_before_it(farm: Farm, reflog: str) -> None:
    (first,) = farm.enter(farm.push("-", "a"))
    (hand,) = farm.enter(by_hand(farm, "c"))
    late = farm.enter(farm.push("a", "b"), farm.push("b", "c"), reflog=reflog)
    assert farm.order() == [first, *late, hand]
    (after,) = farm.enter(farm.push("c", "d"))
    assert farm.order()[-2:] == [hand, after]


def test_back_and_forth_counts_as_it_stood(farm: Farm) -> None:
    numbers = farm.enter(farm.push("a", "b"), farm.push("b", "a"))
    (hand,) = farm.enter(by_hand(farm, "a"))
    (after,) = farm.enter(farm.push("a", "b"), reflog="ab ba ab")
    assert farm.order() == [*numbers, hand, after]


def test_what_git_lists_is_still_found_by_asking_the_repository(farm: Farm) -> None:
    """The tip that the ledger knows is that of pushes, so that one which nobody reported is missed."""
    farm.enter(farm.push("-", "a"))
    farm.enter(by_hand(farm, "b"))
    assert farm.ledger.tips("thyme")[MAIN] == oid("a")
    (found,) = farm.ledger.enter("thyme", [farm.push("a", "b", source="ls-remote")], {})
    assert not found.known
    assert farm.ledger.tips("thyme")[MAIN] == oid("b")


def test_many_by_hand_hide_no_push(farm: Farm) -> None:
    (push,) = farm.enter(farm.push("-", "a"))
    hands = farm.enter(*(by_hand(farm, "a") for _ in range(130)))
    (after,) = farm.enter(farm.push("a", "b"), reflog="-a ab")
    assert farm.order() == [push, *hands, after]
    assert farm.ledger.tips("thyme")[MAIN] == oid("b")


def test_latest_moves_on_and_never_back(farm: Farm) -> None:
    first = farm.open("-", "a")
    farm.release(first)
    hand = farm.open("a", "a", source="manual")
    newer = farm.open("a", "b")
    farm.release(newer)
    farm.pass_step(hand, "build")
    farm.pass_step(hand, "test")
    claim = farm.claim(hand, "release")
    assert farm.record.release_begin(claim, "latest").winner == newer
    again = farm.open("b", "b", source="manual")
    farm.release(again)
