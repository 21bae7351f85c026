"""The memory of a branch: what each of its tests did in the newest pipelines. It judges no job by it.

It is bounded: 20 results a test, 5,000 tests a job and 10,000 a branch, 500 branches, each for a month after its last
results.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from farm.record.scripts import Base
from farm.record.steps import judge, patiently
from farm.record.values import Claim, dumps

TestOutcome = Literal["passed", "failed", "skipped"]
_LETTERS: Mapping[str, TestOutcome] = {"p": "passed", "f": "failed", "s": "skipped"}
_GLOB = re.compile(r"([\[\]*?\\^-])")
_ENTRY = re.compile(r"(\d+)([a-zA-Z])(\d+)")


@dataclass(frozen=True, slots=True)
class TestResult:
    """What one test did, and how long it took in seconds."""

    test: str
    outcome: TestOutcome
    seconds: float


@dataclass(frozen=True, slots=True)
class TestRun:
    """One remembered result of a test; `both` when the same push had the other result as well."""

    number: int
    outcome: TestOutcome
    seconds: float
    both: bool = False


@dataclass(frozen=True, slots=True)
class TestHistory:
    """What a test did in the newest pipelines of its branch that ran it, the newest last."""

    group: str  # the job, its shards together
    test: str
    runs: Sequence[TestRun]

    @property
    def failures(self) -> int:
        """How many of the runs failed."""
        return sum(run.outcome == "failed" for run in self.runs)

    @property
    def flaky(self) -> bool:
        """Whether one push had both results, or a failure came back after it had gone."""
        outcomes = [run.outcome for run in self.runs if run.outcome != "skipped"]
        begun = sum(now == "failed" != before for before, now in zip(["", *outcomes], outcomes, strict=False))
        return any(run.both for run in self.runs) or begun > 1


def test_id(suite: str, name: str) -> str:
    """Return the one name by which a test is remembered."""
    return f"{suite}::{name}" if suite else name


test_id.__test__ = False  # type: ignore[attr-defined] # pytest takes it for a test


class Tests(Base):
    """Remember test results and look them up."""

    def remember(self, claim: Claim, group: str, results: Sequence[TestResult]) -> dict[str, Any]:
        """Add the results of the claimed job to the branch's memory and return what changed; safe to repeat.

        `new`, `still`, `fixed` and `flaky` each have a `count` and the first fifty `tests` by name, `still` with the
        pipeline since which they fail; `against` is the newest pipeline compared with, or None.

        It is tried again while Redis is away. Raises LeaseLost or Canceled when the work counts no more.
        """
        rows = [[result.test, result.outcome[0], max(round(result.seconds * 1000), 0)] for result in results]
        answer = patiently(
            lambda: self.scripts.run("remember", claim.number, claim.step, claim.fence, group, dumps(rows))
        )
        judge(claim, answer[0])
        changes: dict[str, Any] = json.loads(answer[1])
        return changes

    def test_histories(self, repository: str, ref: str) -> list[TestHistory]:
        """Return the memory of a branch, by job and test."""
        found = self.redis.hgetall(f"farm:tests:{repository}:{ref}")
        return [_history(field, value) for field, value in sorted(found.items())]

    def durations(self, repository: str, ref: str, group: str) -> dict[str, float]:
        """Return how long each test of a job took when it last ran on a branch, in seconds."""
        known = (history for history in self.test_histories(repository, ref) if history.group == group)
        return {history.test: run.seconds for history in known for run in history.runs if run.outcome != "skipped"}

    def test_history(self, repository: str, ref: str, test: str) -> list[TestHistory]:
        """Return what one test did, in each job that runs it."""
        pattern = "* " + _GLOB.sub(r"\\\1", test)
        rows = self.redis.hscan_iter(f"farm:tests:{repository}:{ref}", match=pattern, count=1000)
        found = (_history(field, value) for field, value in sorted(dict(rows).items()))
        return [history for history in found if history.test == test]


def _history(field: str, value: str) -> TestHistory:
    group, _, test = field.partition(" ")
    runs = (
        TestRun(int(number), _LETTERS[letter.lower()], int(ms) / 1000, both=letter.isupper())
        for number, letter, ms in _ENTRY.findall(value)
    )
    return TestHistory(group, test, tuple(runs))
