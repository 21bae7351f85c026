"""What JUnit XML files say about tests, read by junitparser. It does not say whether the step passed."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase

_NAMED = 50  # failing tests that are kept by name
_WORDS = 2000  # characters of a test's message that are kept
_SAID = 5  # failing tests that a reason names


@dataclass(frozen=True, slots=True)
class Failing:
    """A test that failed, with its message and how long it took in seconds."""

    name: str
    suite: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """All tests of a job, counted; the failing ones by name, the first fifty of them."""

    total: int
    failed: int
    skipped: int
    failing: Sequence[Failing]

    @property
    def sentence(self) -> str:
        """Say how many failed, and which."""
        names = [test.name for test in self.failing[:_SAID]]
        more = f" and {self.failed - len(names)} more" if self.failed > len(names) else ""
        return f"{self.failed} of {self.total} test{'s' * (self.total != 1)} failed: {', '.join(names)}{more}"

    def document(self) -> dict[str, Any]:
        """Return what the record keeps."""
        passed = self.total - self.failed - self.skipped
        return {
            "total": self.total,
            "passed": passed,
            "failed": self.failed,
            "skipped": self.skipped,
            "failing": [asdict(test) for test in self.failing],
        }


def read(files: Iterable[bytes]) -> Report:
    """Sum up the files; ValueError for one that is no JUnit XML."""
    cases = [case for file in files for case in _cases(_parse(file))]
    bad = [case for case in cases if any(isinstance(result, Error | Failure) for result in case.result)]
    skipped = [case for case in cases if any(isinstance(result, Skipped) for result in case.result)]
    return Report(len(cases), len(bad), len(skipped), tuple(_failing(case) for case in bad[:_NAMED]))


def _parse(file: bytes) -> Any:
    try:
        return JUnitXml.fromstring(file)
    except Exception as error:  # the parser below junitparser may be one of two, each with its own errors
        raise ValueError(str(error)) from error


def _cases(element: Any) -> Iterable[TestCase]:
    """Walk through the suites; junitparser gives the cases of suites within suites too."""
    if isinstance(element, TestCase):
        yield element
        return
    for child in element:
        yield from _cases(child)


def _failing(case: TestCase) -> Failing:
    words = [result.message or result.text or "" for result in case.result if isinstance(result, Error | Failure)]
    return Failing(case.name or "?", case.classname or "", (words or [""])[0].strip()[:_WORDS], float(case.time or 0))
