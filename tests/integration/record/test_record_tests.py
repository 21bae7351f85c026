"""The memory of a branch: what is new, still failing, fixed, flaky; bounded, fenced, harmless to repeat."""

import json
from itertools import pairwise

import pytest

from farm.errors import LeaseLost
from farm.flower.pages import remembered
from farm.flower.site import Site
from farm.pipeline import Status, Step
from farm.record import TestResult as Result, test_id as id_of
from tests.records import Farm

pytestmark = [pytest.mark.redis]

TEST = (Step("test", "test", (), "test"),)
SIDE = "refs/heads/side"


def results(words):
    outcomes = {"p": "passed", "f": "failed", "s": "skipped"}
    return [Result(name, outcomes[letter], 0.25) for name, letter in (word.split("=") for word in words.split())]


@pytest.fixture
def run(farm: Farm):
    pushes = iter(pairwise("-abcdefghijklmnopqrstuvwxyz0123456789"))

    def run(words, *, ref="refs/heads/main", number=None, commit=True):
        if number is None:
            number = farm.open(*next(pushes), steps=TEST, ref=ref)
        claim = farm.record.claim(number, "test", "w1")
        changes = farm.record.remember(claim, "test", results(words))
        assert farm.record.remember(claim, "test", results(words)) == changes
        if commit:
            farm.record.commit(claim, Status.FAILED if "=f" in words else Status.PASSED)
        return number, brief(changes)

    return run


def brief(changes):
    found = {kind: changes[kind]["tests"] for kind in ("new", "still", "fixed", "flaky") if changes[kind]["count"]}
    return found | ({"against": changes["against"]} if changes["against"] else {})


def test_what_is_new_still_failing_and_fixed(run):
    assert run("a=p b=p c=s") == (1, {})
    assert run("a=p b=f c=s") == (2, {"new": ["b"], "against": 1})
    assert run("a=f b=f c=p") == (3, {"new": ["a"], "still": [["b", 2]], "against": 2})
    assert run("a=p b=f c=p") == (4, {"fixed": ["a"], "still": [["b", 2]], "against": 3})
    assert run("a=p b=s c=p d=f") == (5, {"new": ["d"], "against": 4})
    assert run("a=p b=f c=p d=f") == (6, {"still": [["b", 2], ["d", 5]], "against": 5})


def test_a_failure_that_comes_back_is_flaky(run):
    run("a=p")
    assert run("a=f")[1] == {"new": ["a"], "against": 1}
    assert run("a=p")[1] == {"fixed": ["a"], "against": 2}
    assert run("a=f")[1] == {"new": ["a"], "flaky": ["a"], "against": 3}
    assert run("a=p")[1] == {"fixed": ["a"], "flaky": ["a"], "against": 4}
    assert run("a=p")[1] == {"against": 5}


def test_both_results_for_one_push_are_flaky(farm, run):
    run("a=p b=p")
    number, _ = run("a=f b=f")
    farm.record.retry(number, "ada")
    assert run("a=p b=f", number=number)[1] == {"new": ["b"], "flaky": ["a"], "against": 1}
    (history,) = farm.record.test_history("thyme", "refs/heads/main", "a")
    assert [(each.number, each.outcome, each.both) for each in history.runs] == [
        (1, "passed", False),
        (2, "passed", True),
    ]
    assert history.flaky
    assert history.failures == 0


@pytest.mark.parametrize(
    ("ref", "name"),
    [(SIDE, "side"), ("refs/tags/v1", "v1"), ("refs/pull/7/head", "pull request 7"), ("refs/pull/7/head", None)],
)
def test_the_page_of_tests_finds_a_ref_by_the_name_that_people_have_for_it(farm, run, ref, name):
    farm.ledger.register("thyme", "file:///srv/thyme.git", "main", {})
    run("main=p")
    run("one=p", ref=ref)
    every = remembered(farm.record, Site(), "thyme", name or ref).body
    assert "<code>one</code>" in every
    assert "<code>main</code>" not in every
    assert "No test is remembered" not in remembered(farm.record, Site(), "thyme", name or ref, test="one").body


def test_a_new_branch_is_compared_with_the_default_branch(farm, run):
    run("a=f b=p")
    assert run("a=f b=f c=f", ref=SIDE)[1] == {"still": [["a", 1]], "new": ["b", "c"], "against": 1}
    assert run("a=f b=f c=p", ref=SIDE)[1] == {"still": [["a", 2], ["b", 2]], "fixed": ["c"], "against": 2}
    assert [each.test for each in farm.record.test_histories("thyme", SIDE)] == ["a", "b", "c"]


def test_an_older_pipeline_that_ends_late_is_compared_with_what_was_before_it(farm, run):
    run("a=p")
    late = farm.open("a", "x", steps=TEST)
    run("a=f")
    assert run("a=f", number=late)[1] == {"new": ["a"], "against": 1}
    (history,) = farm.record.test_history("thyme", "refs/heads/main", "a")
    assert [each.number for each in history.runs] == [1, 2, 3]


def test_who_owns_the_step_no_more_is_not_heard(farm, run):
    number, _ = run("a=p", commit=False)
    claim = farm.record.claim(number, "test", "w1")
    farm.redis.hincrby(f"farm:pipeline:{number}:step:test", "fence", 1)
    with pytest.raises(LeaseLost):
        farm.record.remember(claim, "test", results("a=f"))


def test_the_memory_is_bounded(farm, run):
    many = [f"t{n}" for n in range(5000)]
    for turn in "pf":
        for round_ in range(11):
            run(" ".join(f"{name}={turn}" for name in (many if round_ == 0 else many[:2])))
    (history, *_) = farm.record.test_histories("thyme", "refs/heads/main")
    assert len(history.runs) == 20
    key = "farm:tests:thyme:refs/heads/main"
    assert 0 < farm.redis.ttl(key) <= 30 * 86400
    assert farm.redis.memory_usage(key, samples=0) < 1 << 20
    run(" ".join(f"u{n}=p" for n in range(5000)))
    run(" ".join(f"v{n}=p" for n in range(5000)))
    assert farm.redis.hlen(key) <= 10_000


def test_fifty_of_a_kind_are_named_and_all_are_counted(farm):
    number = farm.open(steps=TEST)
    changes = farm.record.remember(
        farm.record.claim(number, "test", "w1"), "test", [Result(f'"{n}" é', "failed", 0) for n in range(60)]
    )
    assert changes["new"]["count"] == 60
    assert changes["new"]["tests"] == [f'"{n}" é' for n in range(50)]
    assert json.dumps(changes)


@pytest.mark.parametrize("name", ["plain", "a[b-c]", "*", "what?", "back\\slash", "t::x [1]", "é"])
def test_any_name_has_its_own_history(farm, name):
    claim = farm.claim(farm.open(steps=TEST), "test")
    farm.record.remember(claim, "test", [Result(name, "failed", 0), Result(name + "x", "passed", 0)])
    (history,) = farm.record.test_history("thyme", "refs/heads/main", name)
    assert (history.group, history.test, history.failures) == ("test", name, 1)


def test_a_test_has_one_name():
    assert id_of("tests.test_vat", "test_round[1]") == "tests.test_vat::test_round[1]"
    assert id_of("", "round") == "round"
