"""What several jobs of a definition become: steps that a worker can claim, in an order that a chain can take."""

from farm.decision import steps
from farm.definition import parse


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


def test_shards_are_steps_of_their_own():
    assert [name for name, _, _ in made("test: {script: x, parallel: 2}")] == ["build", "test/1", "test/2", "release"]


def test_labels_choose_the_queue():
    text = "test: {runs_on: [gpu, arm64], jobs: {a: a, b: {script: b, runs_on: x86}}}"
    assert [(name, queue) for name, _, queue in made(text, release=False)] == [
        ("build", "build"),
        ("test/a", "test+arm64+gpu"),
        ("test/b", "test+x86"),
    ]
