"""The order rule, pure."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, strategies as st

from farm.errors import Refused
from farm.release import Released, Standing, before, decide

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


Event = tuple[str, int]  # what happens, and to which pipeline
EVENTS = st.lists(
    st.tuples(st.sampled_from(["release", "release", "release", "rollback"]), st.integers(1, 8)), max_size=40
)


@given(EVENTS)
def test_the_mark_only_grows_and_only_a_rollback_holds_less(events: list[Event]) -> None:
    """Whatever finishes, is retried or rolled back, in whatever order: positions are the pipelines' numbers here."""
    standing, released = Standing(), set()
    for what, number in events:
        earlier = standing
        if what == "rollback" and number in released:
            standing = replace(standing, number=number)
        elif what == "release":
            decision = decide("thyme", MAIN, float(number), "latest", standing)
            if decision.winner is None:
                released.add(number)
                standing = Standing(OWN, number, float(number), number)
            else:
                assert decision.winner in released
                assert number < standing.mark or standing.number != standing.mark
                assert f"#{decision.winner}" in str(decision.reason)
        assert standing.position >= earlier.position
        if standing.number < earlier.number:
            assert what == "rollback"
        if standing.mark > earlier.mark:
            assert standing.number == standing.mark


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=12, unique=True),
    st.randoms(use_true_random=False),
)
def test_places_between_places_count_like_any(positions: list[float], random: Random) -> None:
    order = list(positions)
    random.shuffle(order)
    standing = Standing()
    for number, position in enumerate(order, 1):
        if decide("thyme", MAIN, position, "latest", standing).winner is None:
            standing = Standing(OWN, number, position, number)
    assert standing.position == max(positions)


REFS = st.sampled_from([MAIN, "refs/heads/topic", "refs/tags/v1", "refs/tags/latest"])
TAGS = st.sampled_from(["latest", "v1", "topic"])


@given(st.lists(st.tuples(st.sampled_from(["thyme", "sage"]), REFS, TAGS), max_size=30))
def test_a_tag_never_changes_its_owner_and_git_tags_never_get_latest(tries: list[tuple[str, str, str]]) -> None:
    standings: dict[str, Standing] = {}
    for place, (repository, ref, tag) in enumerate(tries, 1):
        known = standings.get(tag, Standing())
        try:
            decision = decide(repository, ref, float(place), tag, known)
        except Refused:
            assert known.owner not in ("", f"{repository} {ref}") or (tag == "latest" and ref.startswith("refs/tags/"))
            continue
        assert decision.winner is None
        standings[tag] = Standing(f"{repository} {ref}", place, float(place), place)
        assert known.owner in ("", standings[tag].owner)
    assert not standings.get("latest", Standing()).owner.partition(" ")[2].startswith("refs/tags/")


def history(*words: str) -> list[Released]:
    """Return a history, oldest first in the words: "217", "rolled 217"."""
    kinds = [("rollback" if word.startswith("rolled ") else "release", int(word.split()[-1])) for word in words]
    rows = [Released(number, f"sha256:{number}", "jo", kind, 0.0) for kind, number in kinds]  # type: ignore[arg-type]
    return rows[::-1]


@pytest.mark.parametrize(
    ("words", "now", "answer"),
    [
        (("217", "219"), 219, 217),
        (("217",), 217, None),
        ((), 217, None),
        (("217", "219"), 221, 219),  # 221 has not come to its end yet
        (("217", "219", "rolled 217"), 217, None),
        (("215", "217", "219", "rolled 217"), 217, 215),
        (("217", "219", "rolled 217", "221"), 221, 217),  # not back to what was rolled back from
        (("217", "219", "219"), 219, 217),
    ],
)
def test_what_a_tag_was_before(words: tuple[str, ...], now: int, answer: int | None) -> None:
    found = before(history(*words), now)
    assert (found and found.number) == answer
