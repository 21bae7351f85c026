"""ENTER: what the sources beside the hook say about the same pushes, and what becomes of reports that were lost."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from farm.push import ZERO
from tests.records import MAIN, Farm, oid

pytestmark = pytest.mark.redis


def line(farm: Farm, number: int = 0) -> str:
    """Return a line of the reflog that was written now."""
    return f"{int(farm.now())}-{number}"


def entered(farm: Farm, old: str, new: str, **more: Any) -> tuple[int, bool]:
    (entry,) = farm.ledger.enter("thyme", [farm.push(old, new, **more)], {})
    return entry.number, entry.known


BACK_AND_FORTH = ("ab", "ba", "ab", "ba", "ab")


@pytest.mark.parametrize("lost", list(itertools.combinations(range(5), 2)))
@pytest.mark.parametrize("reflog_first", [False, True])
def test_lost_reports_are_made_good_by_the_reflog(farm: Farm, lost: tuple[int, ...], reflog_first: bool) -> None:
    """Back and forth, and the hook of some pushes died: each push has one pipeline, in the order of the reflog."""
    lines = [line(farm, k) for k in range(5)]
    log = " ".join(BACK_AND_FORTH)
    heard = [k for k in range(5) if k not in lost]
    numbers: dict[int, int] = {}

    def by_hook(k: int) -> None:
        push = farm.push(*BACK_AND_FORTH[k], line=lines[k])
        numbers[k] = farm.enter(push, reflog=log)[0]

    early = heard[:1] if reflog_first else heard
    for k in early:
        by_hook(k)
    for k in range(5):
        push = farm.push(*BACK_AND_FORTH[k], line=lines[k], source="reflog")
        number = farm.enter(push, reflog=log)[0]
        assert numbers.setdefault(k, number) == number
    for k in set(heard) - set(early):
        before = numbers[k]
        by_hook(k)
        assert numbers[k] == before
    assert set(farm.order()) == set(numbers.values())
    order = [farm.ledger.push(number) for number in farm.order()]  # equal pushes may stand for each other
    assert [(push.old, push.new) for push in order] == [(oid(old), oid(new)) for old, new in BACK_AND_FORTH]


def test_two_hooks_that_found_the_same_line_are_two_pushes(farm: Farm) -> None:
    """The first came so late that the last equal line was already that of the second."""
    first, last = line(farm, 0), line(farm, 1)
    one, _ = entered(farm, "a", "b", line=last)
    two, known = entered(farm, "a", "b", line=last)
    assert one != two
    assert not known
    assert {entered(farm, "a", "b", line=each, source="reflog") for each in (first, last)} == {(one, True), (two, True)}


@pytest.mark.parametrize("ahead", [-86400, 86400])
def test_a_clock_of_gits_host_that_is_wrong_makes_no_second_pipeline(farm: Farm, ahead: int) -> None:
    """The webhook came first; an equal push of an hour ago, of which only the webhook told, is another one."""
    past, _ = entered(farm, "a", "b", source="webhook")
    entered(farm, "b", "a", source="webhook")
    farm.redis.hset(f"farm:pipeline:{past}", "created", farm.now() - 3600)
    number, _ = entered(farm, "a", "b", source="webhook")
    clock = farm.now() + ahead
    (entry,) = farm.ledger.enter("thyme", [farm.push("a", "b", line=f"{int(clock)}-0")], {}, clock)
    assert (entry.number, entry.known) == (number, True)


def test_the_hook_knows_better_who_pushed(farm: Farm) -> None:
    number, _ = entered(farm, "a", "b", line=line(farm), source="reflog", who="git")
    assert entered(farm, "a", "b", line=line(farm), who="ada") == (number, True)
    assert (farm.ledger.push(number).who, farm.ledger.push(number).source) == ("ada", "hook")
    assert entered(farm, "a", "b", line=line(farm), source="reflog", who="git") == (number, True)
    assert farm.ledger.push(number).who == "ada"


def test_nobody_reports_a_push_before_it_happens(farm: Farm) -> None:
    """An equal push of a week ago that a webhook reported is another one."""
    number, _ = entered(farm, "a", "b", source="webhook")
    farm.enter(farm.push("b", "a", source="webhook"))
    farm.redis.hset(f"farm:pipeline:{number}", "created", farm.now() - 7 * 86400)
    other, known = entered(farm, "a", "b", line=line(farm))
    assert not known
    assert other != number


def test_a_guess_is_made_only_where_the_ledger_knows_less(farm: Farm) -> None:
    farm.ledger.register("sage", "ssh://x/sage", "main", {MAIN: oid("a")})
    assert farm.ledger.tips("sage") == {MAIN: oid("a")}
    assert entered(farm, "x", "a", repository="sage", source="ls-remote") == (1, False)  # of thyme
    (entry,) = farm.ledger.enter("sage", [farm.push("x", "a", repository="sage", source="ls-remote")])
    assert (entry.number, entry.known) == (0, True)
    (entry,) = farm.ledger.enter("sage", [farm.push("a", "b", repository="sage", source="ls-remote")])
    assert not entry.known
    assert farm.ledger.tips("sage") == {MAIN: oid("b")}


def test_back_and_forth_is_guessed_again(farm: Farm) -> None:
    """The hook reported a-b and b-a; then nobody reported a-b."""
    farm.enter(farm.push("-", "a"), farm.push("a", "b"), farm.push("b", "a"))
    assert not entered(farm, "a", "b", source="ls-remote")[1]
    assert len(farm.order()) == 4
    assert entered(farm, "a", "b", source="ls-remote")[1]
    assert entered(farm, "b", "-", source="ls-remote") == (5, False)
    assert farm.ledger.tips("thyme") == {MAIN: ZERO}
    assert entered(farm, "b", "-", source="ls-remote") == (5, True)
    assert entered(farm, "b", "-") == (5, True)


CHAIN = ("ab", "bc", "cd")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("log", ["", "ab bc cd"])
def test_a_gap_of_several_pushes_is_filled_in_order(farm: Farm, order: tuple[int, ...], log: str) -> None:
    if not log and order[:2] in ((1, 2), (0, 2), (1, 0)):
        pytest.skip("ids alone do not tell a push in the middle of a gap that is not known yet")
    first = farm.enter(farm.push("-", "a"))[0]
    guess = farm.enter(farm.push("a", "d", source="ls-remote"))[0]
    numbers = {k: farm.enter(farm.push(*CHAIN[k], source="reflog", line=line(farm)), reflog=log)[0] for k in order}
    assert numbers[2] == guess
    assert farm.order() == [first, numbers[0], numbers[1], guess]
    assert farm.ledger.push(guess).old == oid("c")
    assert farm.ledger.tips("thyme") == {MAIN: oid("d")}


def test_what_a_ref_had_before(farm: Farm) -> None:
    farm.ledger.register("sage", "ssh://x/sage", "main", {MAIN: oid("a")})
    pushes = [farm.push(*pair, repository="sage") for pair in CHAIN]
    numbers = [entry.number for entry in farm.ledger.enter("sage", pushes)]
    assert [farm.ledger.earlier(number) for number in numbers] == [
        {oid("a")},
        {oid("a"), oid("b")},
        {oid("a"), oid("b"), oid("c")},
    ]
    assert farm.ledger.earlier(99) == frozenset()


def test_a_look_that_was_overtaken_by_reports_is_no_push(farm: Farm) -> None:
    """The spool was emptied between what `git ls-remote` saw and the ledger."""
    first = farm.enter(farm.push("-", "a"))
    seen = farm.push("a", "b", source="ls-remote")
    told = farm.enter(farm.push("a", "b"), farm.push("b", "c"))
    (entry,) = farm.ledger.enter("thyme", [seen])
    assert (entry.number, entry.known) == (told[1], True)
    assert farm.order() == [*first, *told]
    assert farm.ledger.tips("thyme")[MAIN] == oid("c")


@pytest.mark.parametrize("digits", [40, 64])
def test_a_branch_that_is_deleted_stands_nowhere(farm: Farm, digits: int) -> None:
    zeros = "0" * digits
    farm.enter(replace(farm.push("a", "-", ref="refs/heads/side"), old="1" * digits, new=zeros))
    (number,) = farm.enter(replace(farm.push("-", "a"), old=zeros, new="2" * digits))
    assert farm.ledger.stood(number) == frozenset()
