"""The test results of a job as its page shows them: what is new first. It compares nothing itself, the record did."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from farm.pipeline import Job
from farm.record import test_id

SHOWN = 100
_ORDER = ("new", "flaky", "still", "")
KINDS = {"new": "new", "still": "still failing", "fixed": "fixed", "flaky": "flaky"}


@dataclass(frozen=True, slots=True)
class FailingTest:
    """One failing test; `kinds` are of KINDS, `since` is the pipeline since which it fails."""

    test: str
    name: str
    suite: str
    message: str
    seconds: float | None
    kinds: Sequence[str]
    since: int | None


@dataclass(frozen=True, slots=True)
class Results:
    """The tests of one job. `changes` counts each of KINDS against pipeline `against`; old records have none."""

    job: Job
    total: int
    passed: int
    failed: int
    skipped: int
    failing: Sequence[FailingTest]
    changes: Mapping[str, int]
    against: int | None
    fixed: Sequence[str]
    flaky: Sequence[str]
    slowest: Sequence[tuple[str, float]]  # test, seconds

    @property
    def told(self) -> bool:
        """Whether there is more to say than the counts."""
        return bool(self.fixed or self.flaky or self.slowest)


def results(jobs: Iterable[Job]) -> list[Results]:
    """Return the results of those jobs that left some, those that failed first; SHOWN failing tests of all in full."""
    found = [_results(job, job.result["tests"]) for job in jobs if job.result.get("tests")]
    found.sort(key=lambda each: not each.failed)
    shown, room = list[Results](), SHOWN
    for each in found:
        shown.append(replace(each, failing=each.failing[:room]))
        room = max(room - len(each.failing), 0)
    return shown


def _results(job: Job, tests: Mapping[str, Any]) -> Results:
    changes = tests.get("changes") or {}
    named = {kind: (changes.get(kind) or {}).get("tests", []) for kind in KINDS}
    since = dict(named["still"])
    of_kind = {kind: {row[0] if kind == "still" else row for row in rows} for kind, rows in named.items()}
    failing = [_failing(test, of_kind, since) for test in tests.get("failing", [])]
    failing.sort(key=lambda test: _ORDER.index(test.kinds[0] if test.kinds else ""))
    bad = {test.test for test in failing}
    return Results(
        job=job,
        total=tests.get("total", 0),
        passed=tests.get("passed", 0),
        failed=tests.get("failed", 0),
        skipped=tests.get("skipped", 0),
        failing=failing,
        changes={kind: changes[kind]["count"] for kind in KINDS if changes.get(kind, {}).get("count")},
        against=changes.get("against"),
        fixed=named["fixed"],
        flaky=[test for test in named["flaky"] if test not in bad],
        slowest=[(test_id(test["suite"], test["name"]), test["seconds"]) for test in tests.get("slowest", [])],
    )


def _failing(row: Mapping[str, Any], of_kind: Mapping[str, set[str]], since: Mapping[str, int]) -> FailingTest:
    name, suite, seconds = row["name"], row.get("suite", ""), row.get("seconds")
    test = test_id(suite, name)
    return FailingTest(
        test=test,
        name=name,
        suite=suite,
        message=row.get("message") or "",
        seconds=seconds if isinstance(seconds, int | float) else None,
        kinds=[kind for kind in ("new", "flaky", "still") if test in of_kind[kind]],
        since=since.get(test),
    )
