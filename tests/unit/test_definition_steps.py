"""What jobs, `on` and `release` become: steps that a worker can claim, or a reason why none."""

from typing import Any

import pytest

from farm.decision import Close, Plan, decide, steps
from farm.definition import Server, parse
from farm.git import Commit
from farm.pipeline import Status
from farm.push import Push
from farm.settings import Settings


def made(text: str, *, release: bool = True):
    return [(step.name, tuple(step.needs), step.queue) for step in steps(parse(text), release=release)]


def test_jobs_wait_for_the_build_or_for_those_that_they_need():
    text = "test: {jobs: {e2e: {script: e, needs: [unit, lint]}, unit: u, lint: l}}"
    assert made(text) == [
        ("build", (), "build"),
        ("test/unit", ("build",), "test"),
        ("test/lint", ("build",), "test"),
        ("test/e2e", ("test/unit", "test/lint"), "test"),
        ("release", ("test/unit", "test/lint", "test/e2e"), "release"),
    ]


def test_hooks_come_after_the_release_and_only_with_it():
    text = "{test: x, release: {after: {deploy: ./deploy, tell: {url: 'https://a.example/'}}}}"
    assert made(text)[2:] == [
        ("release", ("test",), "release"),
        ("release/deploy", ("release",), "release"),
        ("release/tell", ("release",), "release"),
    ]
    assert [name for name, _, _ in made(text, release=False)] == ["build", "test"]


@pytest.mark.parametrize(
    ("allowed", "plans"),
    [
        (("https://a.example/",), True),
        (("https://a.example/hooks/",), True),
        (("https://a.example/other/",), False),
        ((), False),
    ],
)
def test_a_url_is_only_called_where_the_server_says_so(tmp_path, allowed, plans):
    settings = Settings(home=tmp_path, hook_urls=allowed)
    commit = Commit("2" * 40, "", "", "", "", 0.0)
    text = b"{test: x, release: {after: {tell: {url: 'https://a.example/hooks/x'}}}}"
    verdict = decide(
        PUSH, 1, commit, text, protected=False, date="", server=Server("thyme", may_call=settings.may_call)
    )
    assert isinstance(verdict, Plan) == plans
    if isinstance(verdict, Close):
        [message] = verdict.messages
        assert message == (
            ".farm.yml:1:41: the server does not let https://a.example/hooks/x be called "
            "(hook_urls in the server's farm.yml says which it lets)"
        )


def test_shards_are_steps_of_their_own():
    assert [name for name, _, _ in made("test: {script: x, parallel: 2}")] == ["build", "test/1", "test/2", "release"]


def test_labels_choose_the_queue():
    text = "test: {runs_on: [gpu, arm64], jobs: {a: a, b: {script: b, runs_on: x86}}}"
    assert [(name, queue) for name, _, queue in made(text, release=False)] == [
        ("build", "build"),
        ("test/a", "test+arm64+gpu"),
        ("test/b", "test+x86"),
    ]


PUSH = Push("u1", "thyme", "refs/heads/main", "1" * 40, "2" * 40, "ada")
COMMIT = Commit("2" * 40, "Fix VAT", "Ada", "ada@example.org", "Fix VAT", 0.0)


def decided(text: str, **known: Any):
    return decide(PUSH, 218, COMMIT, text.encode(), protected=True, date="2026-11-24", **known)


def test_release_none_is_a_reason():
    plan = decided("{test: make, release: none}")
    assert isinstance(plan, Plan)
    assert [step.name for step in plan.steps] == ["build", "test"]
    assert plan.remark == "release: none"


def test_a_push_that_changes_nothing_of_interest_is_skipped():
    asked = []

    def changed(paths, ignore):
        asked.append((paths, ignore))
        return False

    assert decided("{test: make, on: {paths: src, ignore: [docs]}}", changed=changed) == Close(
        Status.SKIPPED, "the push changes none of the files that `on` names"
    )
    assert asked == [(("src",), ("docs",))]


def test_a_push_that_changes_what_matters_runs():
    assert isinstance(decided("{test: make, on: {ignore: docs}}", changed=lambda *_: True), Plan)


def test_nobody_asks_git_without_on():
    asked = []
    assert isinstance(decided("test: make", changed=lambda *paths: not asked.append(paths)), Plan)
    assert asked == []
