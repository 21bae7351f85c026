"""The order rule, pure."""

import pytest
from hypothesis import given, strategies as st

from farm.errors import Refused
from farm.release import Standing, decide

MAIN = "refs/heads/main"
OWN = f"thyme {MAIN}"


def test_the_first_release_takes_a_tag() -> None:
    assert decide("thyme", MAIN, 5.0, "latest", Standing()).winner is None


def test_a_newer_push_moves_it_an_older_one_is_superseded() -> None:
    standing = Standing(owner=OWN, mark=219, position=2.0, number=219)
    assert decide("thyme", MAIN, 3.0, "latest", standing).winner is None
    late = decide("thyme", MAIN, 1.0, "latest", standing)
    assert (late.winner, late.reason) == (219, "superseded by #219")


def test_the_same_push_may_release_again() -> None:
    standing = Standing(owner=OWN, mark=219, position=2.0, number=219)
    assert decide("thyme", MAIN, 2.0, "latest", standing).winner is None


def test_a_rollback_stands_until_something_newer_comes() -> None:
    standing = Standing(owner=OWN, mark=219, position=2.0, number=217)
    same = decide("thyme", MAIN, 2.0, "latest", standing)
    assert same.winner == 217
    assert "rolled back to #217" in str(same.reason)
    assert decide("thyme", MAIN, 1.5, "latest", standing).winner == 219
    assert decide("thyme", MAIN, 2.5, "latest", standing).winner is None


def test_a_tag_belongs_to_one_ref() -> None:
    standing = Standing(owner=OWN, mark=219, position=2.0, number=219)
    for repository, ref in (("thyme", "refs/heads/topic"), ("sage", MAIN)):
        with pytest.raises(Refused, match=r"belongs to refs/heads/main of thyme"):
            decide(repository, ref, 9.0, "latest", standing)


def test_a_git_tag_never_moves_latest() -> None:
    with pytest.raises(Refused, match="git tag"):
        decide("thyme", "refs/tags/v1", 9.0, "latest", Standing())
    assert decide("thyme", "refs/tags/v1", 9.0, "v1", Standing()).winner is None


@given(st.permutations(range(1, 7)))
def test_whatever_the_order_of_finishing_the_newest_wins(order: list[int]) -> None:
    standing = Standing()
    for position in order:
        if decide("thyme", MAIN, position, "latest", standing).winner is None:
            assert position >= standing.position
            standing = Standing(OWN, position, position, position)
    assert standing.mark == 6
