"""ENTER: which pushes are the same, and in which order a ref moved."""

import itertools
import threading
import time

import pytest

from farm.errors import Refused
from farm.pipeline import Status
from farm.push import Push
from tests.records import MAIN, Farm, oid

pytestmark = pytest.mark.redis


def test_a_delivery_again_is_known_by_its_uuid(farm: Farm) -> None:
    push = farm.push("-", "a")
    (first,) = farm.ledger.enter("thyme", [push], {})
    (again,) = farm.ledger.enter("thyme", [push], {})
    assert (first.known, again.known) == (False, True)
    assert first.number == again.number
    assert farm.events() == [(str(first.number), "created", "", "pending")]


def test_one_git_push_may_hold_several_refs(farm: Farm) -> None:
    pushes = [farm.push("-", "a"), farm.push("-", "a", ref="refs/tags/v1"), farm.push("b", "-", ref="refs/heads/old")]
    assert farm.enter(*pushes) == [1, 2, 3]
    assert farm.ledger.undispatched() == [1, 2, 3]
    assert [farm.ledger.push(number) for number in (1, 2, 3)] == pushes


def test_a_push_comes_back_as_it_was(farm: Farm) -> None:
    push = farm.push("-", "a", who='Jö "x"', options=("farm.skip", "ü"), source="webhook")
    assert farm.ledger.push(farm.enter(push)[0]) == push


def test_only_registered_repositories_have_pushes(farm: Farm) -> None:
    with pytest.raises(Refused, match="registered"):
        farm.ledger.enter("sage", [farm.push("-", "a", repository="sage")], {})
    assert not farm.redis.exists("farm:number")


def test_back_and_forth_is_three_pushes(farm: Farm) -> None:
    numbers = farm.enter(farm.push("a", "b"), farm.push("b", "a"), farm.push("a", "b"))
    assert len(set(numbers)) == 3
    assert farm.order() == numbers


def test_sources_report_the_same_occurrences(farm: Farm) -> None:
    def reports(source: str):
        return [farm.push(o, n, source=source) for o, n in ("ab", "ba", "ab")]

    numbers = farm.enter(*reports("hook"))
    assert farm.enter(*reports("webhook")) == numbers
    assert farm.enter(*reports("reflog")) == numbers
    assert len(farm.enter(farm.push("a", "b", source="webhook"))) == 1
    assert len(farm.order()) == 4


def touching(order: tuple[int, ...]) -> bool:
    """Whether each push but the first is a neighbour of one that is there already."""
    return all(order[k] - 1 in order[:k] or order[k] + 1 in order[:k] for k in range(1, len(order)))


@pytest.mark.parametrize("order", list(filter(touching, itertools.permutations(range(4)))))
def test_late_predecessors_go_where_their_ids_say(farm: Farm, order: tuple[int, ...]) -> None:
    pushes = [farm.push(*pair) for pair in ("-a", "ab", "bc", "cd")]
    for k in order:
        farm.enter(pushes[k])
    assert [farm.ledger.push(number) for number in farm.order()] == pushes


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_the_reflog_says_the_order(farm: Farm, order: tuple[int, ...]) -> None:
    """Force pushes and resets to ids that came up before: ids alone would not tell."""
    pairs = ("-a", "ab", "ba", "ac", "ca")
    pushes = [farm.push(*pair) for pair in pairs]
    for k in order:
        farm.enter(pushes[k], reflog=" ".join(pairs))
    assert [farm.ledger.push(number) for number in farm.order()] == pushes


def test_a_reflog_that_begins_in_the_middle(farm: Farm) -> None:
    known = farm.enter(*(farm.push(*pair) for pair in ("-a", "ab", "ba", "ab", "ba")))
    new = farm.enter(farm.push("a", "b"), reflog="ab ba ab")
    assert farm.order() == [*known, *new]


def test_a_reflog_of_later_pushes_puts_a_late_one_before_them(farm: Farm) -> None:
    first, third = farm.enter(farm.push("-", "a"), reflog="-a") + farm.enter(farm.push("x", "c"), reflog="-a ax xc")
    second = farm.enter(farm.push("a", "x"), reflog="-a ax xc")[0]
    assert farm.order() == [first, second, third]


def test_a_guessed_gap_is_taken_over_by_the_report(farm: Farm) -> None:
    guess = farm.enter(farm.push("a", "c", source="ls-remote"))[0]
    assert farm.enter(farm.push("b", "c")) == [guess]
    assert farm.ledger.push(guess).old == oid("b")
    before = farm.enter(farm.push("a", "b"))[0]
    assert farm.order() == [before, guess]
    assert farm.enter(farm.push("a", "c")) != [guess]


def test_a_guess_is_not_taken_by_a_later_return_to_the_same_id(farm: Farm) -> None:
    guess = farm.enter(farm.push("a", "c", source="ls-remote"))[0]
    away, back = farm.enter(farm.push("c", "d"), farm.push("d", "c"))
    assert farm.order() == [guess, away, back]


def test_a_guess_after_the_report_is_known(farm: Farm) -> None:
    number = farm.enter(farm.push("a", "b"))[0]
    (entry,) = farm.ledger.enter("thyme", [farm.push("a", "b", source="ls-remote")], {})
    assert (entry.number, entry.known) == (number, True)


def test_two_hundred_late_predecessors_keep_their_order(farm: Farm) -> None:
    """Each goes between the same two neighbours, more often than floats can be halved."""
    base = farm.enter(farm.push("-", "a", source="hook"))
    farm.enter(farm.push("x", "y"))
    top = farm.order()[-1]
    old = [f"{k:040x}" for k in range(1000, 1201)]
    chain = [Push(f"u{k}", "thyme", MAIN, old[k], old[k + 1]) for k in range(200)]
    log = [(oid("-"), oid("a")), *((push.old, push.new) for push in chain), (oid("x"), oid("y"))]
    numbers = [farm.ledger.enter("thyme", [push], {MAIN: log})[0].number for push in reversed(chain)]
    assert farm.order() == [*base, *reversed(numbers), top]


def test_many_reports_at_once_give_one_pipeline_each(farm: Farm) -> None:
    pairs = [f"{chr(97 + k)}{chr(98 + k)}" for k in range(20)]
    log = " ".join(pairs)
    pushes = [farm.push(*pair) for pair in pairs]
    start = threading.Barrier(20)

    def report(k: int) -> None:
        start.wait()
        for shift in range(0, 20, 7):
            farm.enter(pushes[(k + shift) % 20], reflog=log)
            farm.enter(farm.push(*pairs[k], source="webhook", id=f"webhook-{k}"))

    threads = [threading.Thread(target=report, args=(k,)) for k in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [farm.ledger.push(number).new for number in farm.order()] == [oid(pair[1]) for pair in pairs]


def test_undispatched_knows_the_age(farm: Farm, poll) -> None:
    number = farm.enter(farm.push("-", "a"))[0]
    assert farm.ledger.undispatched(older_than=60) == []
    assert poll(lambda: farm.ledger.undispatched(older_than=0.05)) == [number]
    farm.record.close(number, Status.SKIPPED, "x")
    assert farm.ledger.undispatched() == []


def test_a_name_has_one_url_and_a_baseline(farm: Farm) -> None:
    farm.ledger.register("sage", "ssh://x/sage", "main", {MAIN: oid("a")}, "hash")
    again = farm.ledger.register("sage", "ssh://x/sage", "trunk", {"refs/heads/new": oid("b")})
    assert (again.token_hash, again.default_branch) == ("hash", "trunk")
    assert farm.ledger.baseline("sage") == {MAIN: oid("a")}
    with pytest.raises(Refused, match="choose another name"):
        farm.ledger.register("sage", "ssh://y/sage", "main", {})
    assert [repository.name for repository in farm.ledger.repositories()] == ["sage", "thyme"]
    assert farm.order() == []
    for name in ("", "a b"):
        with pytest.raises(Refused):
            farm.ledger.register(name, "u", "main", {})


def test_a_push_costs_no_more_the_more_there_are(farm: Farm) -> None:
    def cost() -> dict[str, int]:
        farm.redis.config_resetstat()
        farm.enter(farm.push("a", "b"))
        stats = farm.redis.info("commandstats")
        return {name: each["calls"] for name, each in stats.items() if not name.startswith("cmdstat_config")}

    def enter(count: int) -> None:
        for k in range(count):
            farm.enter(farm.push("ab"[k % 2], "ba"[k % 2]))

    began = time.perf_counter()
    enter(150)  # more than the newest of a ref that are looked at
    early = cost()
    enter(50)
    assert cost() == early
    assert (time.perf_counter() - began) / 200 < 0.1  # about a millisecond where nothing else runs


def test_the_token_of_a_hook_is_found_without_a_look_at_every_repository(farm: Farm) -> None:
    def add(name: str, kept: str = "") -> None:
        farm.ledger.register(name, f"/srv/{name}.git", "main", {}, token_hash=kept)

    assert farm.ledger.hook_owner("unknown") is None
    for name in ("rose", "rota", "sage"):
        add(name, f"hash of {name}")
    add("hookless")
    farm.redis.config_resetstat()
    assert [farm.ledger.hook_owner(f"hash of {name}") for name in ("rose", "sage")] == ["rose", "sage"]
    assert [farm.ledger.hook_owner(kept) for kept in ("unknown", "")] == [None, None]
    assert not farm.redis.info("commandstats").keys() & {"cmdstat_sort", "cmdstat_smembers", "cmdstat_hgetall"}

    add("rose", "a new one")
    assert farm.ledger.hook_owner("hash of rose") is None, "the token of before has ended"
    farm.redis.delete("farm:hooks")  # as in a farm of before
    add("mint", "hash of mint")
    assert [farm.ledger.hook_owner(kept) for kept in ("a new one", "hash of mint")] == ["rose", "mint"]
    farm.ledger.forget("mint")
    assert farm.ledger.hook_owner("hash of mint") is None
