"""Which jobs a push calls for, with real git and a real Redis: what was not tested is never taken for tested."""

from pathlib import Path
from typing import Any

import pytest

from farm import git
from farm.definition import Definition
from farm.pipeline import Job, Status
from farm.record import TestResult as Result
from tests.integration.test_dispatch_push import House, Origin

pytestmark = pytest.mark.redis
BY_PATH = "test: {jobs: {lint: l, unit: {script: u, when: {paths: src}}}}"


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path)


@pytest.fixture
def house(redis_client: Any, tmp_path: Path, origin: Origin) -> House:
    return House(redis_client, tmp_path / "home", origin)


class Branch:
    """Pushes commits to main one after the other."""

    def __init__(self, house: House, origin: Origin) -> None:
        self.house, self.origin, self.last = house, origin, "0" * 40

    def push(self, definition: str = BY_PATH, **files: str) -> int:
        for name, text in files.items():
            file = self.origin.work / name.replace("__", "/")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        commit = self.origin.commit(definition)
        number = self.house.push(commit, old=self.last)
        self.last = commit
        self.house.dispatcher.dispatch(number)
        return number

    def unit(self, number: int) -> Job:
        return next(job for job in self.house.record.pipeline(number).stages[1].jobs if job.name == "test/unit")

    def end(self, number: int, unit: Status | None) -> None:
        """Let all pass, and unit end so."""
        results = {"build": Status.PASSED, "test/lint": Status.PASSED} | ({"test/unit": unit} if unit else {})
        for step, status in results.items():
            self.house.record.commit(self.house.record.claim(number, step, "w1"), status, result={"image": "a@b"})


@pytest.fixture
def branch(house: House, origin: Origin) -> Branch:
    return Branch(house, origin)


def test_paths_count_from_when_the_job_last_passed(branch: Branch) -> None:
    first = branch.push(src__a="1")
    assert branch.unit(first).status is Status.PENDING
    branch.end(first, Status.PASSED)
    second = branch.push(README="more")
    reason = f"passed in #{first}, and nothing in src has changed since"
    assert (branch.unit(second).status, branch.unit(second).reason) == (Status.SKIPPED, reason)
    branch.end(second, None)
    third = branch.push(src__a="broken")
    branch.end(third, Status.FAILED)
    fourth = branch.push(README="even more")
    assert branch.unit(fourth).status is Status.PENDING, "the broken file was never tested well"
    fifth = branch.push(src__a="1")
    assert branch.unit(fifth).reason == reason


def test_another_job_under_the_same_name_has_not_passed(branch: Branch) -> None:
    branch.end(branch.push(src__a="1"), Status.PASSED)
    assert branch.unit(branch.push(BY_PATH.replace("script: u", "script: other"))).status is Status.PENDING


def test_what_no_job_is_for_is_not_released(house: House, origin: Origin) -> None:
    number = house.push(origin.commit("test: {script: t, when: {branches: other}}"))
    outcome = house.dispatcher.dispatch(number)
    assert outcome.stages == ("build",)
    assert outcome.reason == "no job of `test` is for this push: nothing was tested, so nothing is released"
    claim = house.record.claim(number, "build", "w1")
    house.record.commit(claim, Status.PASSED, result={"image": "a@b"})
    pipeline = house.record.pipeline(number)
    statuses = [stage.status for stage in pipeline.stages]
    assert (pipeline.status, statuses) == (Status.PASSED, [Status.PASSED, Status.SKIPPED])
    assert house.record.claim(number, "release", "w1").verdict == "dead"


def test_variables_are_recorded_and_reach_the_jobs(house: House, origin: Origin) -> None:
    text = "test: {jobs: {a: {script: a, env: {X: 1}}, b: {script: b, when: {variables: {X: 2}}}}}"
    number = house.push(origin.commit(text), options=("farm.var=X=2", "farm.var=Y==a b"))
    house.dispatcher.dispatch(number)
    pipeline = house.record.pipeline(number)
    assert pipeline.variables == {"X": "2", "Y": "=a b"}
    assert [job.status for job in pipeline.stages[1].jobs] == [Status.PENDING, Status.PENDING]
    assert '"env":{"X":"2","Y":"=a b"}' in house.record.definition(number)


def test_a_bad_variable_ends_the_pipeline_with_a_word(house: House, origin: Origin) -> None:
    outcome = house.dispatcher.dispatch(house.push(origin.commit(), options=("farm.var=FARM_REF=x",)))
    assert outcome.status is Status.FAILED
    assert outcome.reason == "git push -o farm.var=FARM_REF=x: the farm sets this one itself; choose another name"


def test_files_are_divided_by_what_their_tests_took_on_the_branch(branch: Branch) -> None:
    text = 'test: {jobs: {lint: l, unit: {script: u, parallel: {shards: 2, split: "t/**/*.py"}}}}'
    files = {"t__a.py": "", "t__deep__b.py": "", "t__c.py": "", "t__other.txt": ""}
    (branch.origin.work / "t" / "deep").mkdir(parents=True)

    def shares(number: int) -> list[Any]:
        definition = Definition.model_validate_json(branch.house.record.definition(number))
        return [definition.jobs[name].files for name in ("unit.1", "unit.2")]

    first = branch.push(text, **files)
    assert shares(first) == [("t/a.py", "t/deep/b.py"), ("t/c.py",)]
    record = branch.house.record
    record.commit(record.claim(first, "build", "w1"), Status.PASSED, result={"image": "a@b"})
    took = {"t.a::x": 1.0, "t.deep.b::x": 1.0, "t.c::x": 5.0, "t.a::y": 0.5}
    results = [Result(name, "passed", seconds) for name, seconds in took.items()]
    record.remember(record.claim(first, "test/unit.1", "w1"), "test/unit", results)
    assert shares(branch.push(text)) == [("t/c.py",), ("t/a.py", "t/deep/b.py")]


def test_what_several_jobs_ask_for_is_read_once(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "test: {jobs: {lint: {script: l, when: {paths: README}}, unit: {script: u, when: {paths: src}},"
        ' split: {script: s, parallel: {shards: 3, split: "src/*"}}}}'
    )
    asked: list[str] = []

    def listen(where: Any, name: str) -> None:
        known = getattr(where, name)

        def heard(*args: Any, **words: Any) -> Any:
            asked.append(name)
            return known(*args, **words)

        monkeypatch.setattr(where, name, heard)

    listen(branch.house.record, "pipelines")
    listen(branch.house.record, "durations")
    listen(git, "matching")
    branch.push(text, src__a="1", src__b="2", src__c="3", README="r")
    assert sorted(asked) == ["durations", "matching", "pipelines"]


def test_a_pattern_that_matches_no_file_is_a_failure(house: House, origin: Origin) -> None:
    text = "test: {script: u, parallel: {shards: 2, split: none/*}}"
    outcome = house.dispatcher.dispatch(house.push(origin.commit(text)))
    assert outcome.status is Status.FAILED
    assert "no file of the commit matches the `split` none/*" in str(outcome.reason)
