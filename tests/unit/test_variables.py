"""The variables of a push, and which jobs it calls for."""

import pytest

from farm.answer import _misspelt
from farm.applying import left_out, without
from farm.decision import steps
from farm.definition import parse
from farm.errors import Failed
from farm.push import ZERO, Push
from farm.variables import applied, shown, variables


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("farm.var", "write it as farm.var=NAME=VALUE"),
        ("farm.var=X", "write it as farm.var=NAME=VALUE"),
        ("farm.var==a", "write it as farm.var=NAME=VALUE"),
        ("farm.var=1X=a", "no digit first"),
        ("farm.var=A-B=a", "letters, digits and _"),
        ("farm.var=farm_ref=a", "sets this one itself"),
        ("farm.var=CI=", "sets this one itself"),
        ("farm.var=X=" + "a" * 399, "more than 400 characters"),
    ],
)
def test_what_is_written_wrong_is_told(option: str, sentence: str) -> None:
    with pytest.raises(Failed, match=sentence):
        variables([option])
    assert shown([option]) == {}


def test_fifty_are_the_most() -> None:
    assert len(variables([f"farm.var=X{n}=1" for n in range(50)])) == 50
    with pytest.raises(Failed, match="51 variables"):
        variables([f"farm.var=X{n}=1" for n in range(51)])


def test_other_options_are_none_and_it_is_a_known_one() -> None:
    assert variables(["farm.skip", "ci.skip", "farm.var=A=1", "farm.var=A=2=3"]) == {"A": "2=3"}
    assert not _misspelt("farm.var=A=1")
    assert _misspelt("farm.vra=A=1")


def test_what_a_matrix_sets_cannot_be_given() -> None:
    definition = parse("test: {script: t, matrix: {PYTHON: [3.11, 3.12]}}")
    with pytest.raises(Failed, match="the matrix of the job"):
        applied(definition, {"PYTHON": "3.9"})


def called(text: str, ref: str, given: dict[str, str] | None = None) -> dict[str, str]:
    push = Push("u", "thyme", ref, ZERO, "1" * 40)
    return left_out(applied(parse(text), given or {}), push, lambda *_: None)


@pytest.mark.parametrize(
    ("when", "ref", "runs"),
    [
        ("branches: main", "heads/main", True),
        ("branches: main", "heads/other", False),
        ("branches: main", "tags/main", False),
        ("tags: v*", "tags/v1", True),
        ("tags: v*", "heads/v1", False),
        ("branches: release/*, tags: v*", "heads/release/1", True),
        ("branches: release/*, tags: v*", "tags/w1", False),
        ("paths: src", "heads/main", True),
        ("variables: {X: 1}", "heads/main", True),
        ("variables: {X: [2, 3]}", "heads/main", False),
        ("variables: {NONE: ''}", "heads/main", False),
        ("branches: main, variables: {X: 2}", "heads/main", False),
    ],
)
def test_all_that_is_named_has_to_be_so(when: str, ref: str, *, runs: bool) -> None:
    assert bool(called(f"test: {{script: t, env: {{X: 1}}, when: {{{when}}}}}", f"refs/{ref}")) is not runs


def test_a_variable_of_the_push_goes_before_the_jobs_own() -> None:
    text = "test: {script: t, env: {X: 1}, when: {variables: {X: 2}}}"
    assert called(text, "refs/heads/main", {"X": "2"}) == {}
    assert called(text, "refs/heads/main") == {"test": "runs with X=2"}


def test_what_needs_a_job_that_is_left_out_comes_behind_what_that_needs() -> None:
    definition = parse("test: {jobs: {a: a, b: {script: b, needs: a}, c: {script: c, needs: b}}}")
    left = {"b": "runs for tags v*"}
    assert without(definition, left).jobs["c"].needs == ("a",)
    rows = [(step.name, tuple(step.needs), step.skip) for step in steps(definition, release=True, left=left)]
    assert rows == [
        ("build", (), ""),
        ("test/a", ("build",), ""),
        ("test/b", (), "runs for tags v*"),
        ("test/c", ("test/a",), ""),
        ("release", ("test/a", "test/c"), ""),
    ]
