"""What JUnit XML files say about tests, read by junitparser. It does not say whether the step passed."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from xml.etree import ElementTree as ET

from junitparser import Error, Failure, JUnitXml, JUnitXmlError, Skipped, TestCase

from farm.pipeline import told_apart
from farm.record import TestOutcome, TestResult, test_id
from workers import markup

_NAMED = 50  # failing tests that are kept by name
_WORDS = 2000  # characters of a test's message that are kept
_SAID = 5  # failing tests that a reason names
_SLOWEST = 10
_LONGEST = 300  # characters of a name
_ORDER: Sequence[TestOutcome] = ("failed", "passed", "skipped")
_AGES = 1e7  # seconds that no test takes
_REMEMBERED = 5000  # tests whose results the branch remembers


@dataclass(frozen=True, slots=True)
class Failing:
    """A test that failed, with its message and how long it took in seconds."""

    name: str
    suite: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Timed:
    """A test and how long it took in seconds."""

    name: str
    suite: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """All tests of a job, counted; the failing ones and the slowest by name.

    `results` has one result for each name, for the branch's memory; it is not part of the document.
    """

    total: int
    failed: int
    skipped: int
    failing: Sequence[Failing]
    slowest: Sequence[Timed] = ()
    results: Sequence[TestResult] = ()

    @property
    def sentence(self) -> str:
        """Say how many failed, and which."""
        names = told_apart([asdict(test) for test in self.failing])[:_SAID]
        more = f" and {self.failed - len(names)} more" if self.failed > len(names) else ""
        return f"{self.failed} of {self.total} test{'s' * (self.total != 1)} failed: {', '.join(names)}{more}"

    def beginning_with(self, new: Collection[str]) -> Self:
        """Return the same with the failing tests of these names first: what has just broken is what to look at."""
        ordered = sorted(self.failing, key=lambda test: test_id(test.suite, test.name) not in new)
        return replace(self, failing=ordered)

    def document(self) -> dict[str, Any]:
        """Return what the record keeps: of the failing tests the first fifty."""
        passed = self.total - self.failed - self.skipped
        return {
            "total": self.total,
            "passed": passed,
            "failed": self.failed,
            "skipped": self.skipped,
            "failing": [asdict(test) for test in self.failing[:_NAMED]],
            "slowest": [asdict(test) for test in self.slowest],
        }


def read(files: Iterable[bytes], hide: Callable[[str], str] | None = None) -> Report:
    """Sum up the files, all texts as `hide` returns them; ValueError for one that is no JUnit XML."""
    cases = [case for file in files for case in _cases(_parse(file))]
    if hide is not None:
        for case in cases:
            _hide(case, hide)
    bad = [case for case in cases if _outcome(case) == "failed"]
    skipped = [case for case in cases if _outcome(case) == "skipped"]
    slowest = sorted((case for case in cases if _seconds(case)), key=_seconds, reverse=True)[:_SLOWEST]
    return Report(
        len(cases),
        len(bad),
        len(skipped),
        tuple(_failing(case) for case in bad[:_REMEMBERED]),
        tuple(Timed(_name(case), _suite(case), _seconds(case)) for case in slowest),
        _results(cases),
    )


def _results(cases: Iterable[TestCase]) -> Sequence[TestResult]:
    """Return one result a name, the failing ones first; where a name comes twice its worst result counts."""
    worst: dict[str, TestResult] = {}
    for case in cases:
        result = TestResult(test_id(_suite(case), _name(case)), _outcome(case), _seconds(case))
        known = worst.get(result.test)
        if known is None or _ORDER.index(result.outcome) < _ORDER.index(known.outcome):
            worst[result.test] = result
    return sorted(worst.values(), key=lambda result: _ORDER.index(result.outcome))[:_REMEMBERED]


def _hide(case: TestCase, hide: Callable[[str], str]) -> None:
    """Put what may be shown in place of a case's texts, before any of them is cut."""
    case.name, case.classname = hide(case.name or ""), hide(case.classname or "")
    for result in case.result:
        result.message, result.text = hide(result.message or ""), hide(result.text or "")


def _outcome(case: TestCase) -> TestOutcome:
    if any(isinstance(result, Error | Failure) for result in case.result):
        return "failed"
    return "skipped" if any(isinstance(result, Skipped) for result in case.result) else "passed"


def _name(case: TestCase) -> str:
    return (case.name or "?")[:_LONGEST]


def _suite(case: TestCase) -> str:
    return (case.classname or "")[:_LONGEST]


def _seconds(case: TestCase) -> float:
    """Return how long a test took; 0 for what no clock says, such as NaN, and for what is no number."""
    try:
        seconds = float(case.time or 0)
    except ValueError:
        return 0.0
    return seconds if 0 < seconds < _AGES else 0.0


def _parse(file: bytes) -> Any:
    markup.walk(file)
    try:
        # Not by junitparser's own choice, which is lxml where that is installed: one parser, one behaviour.
        root: Any = ET.fromstring(file)  # noqa: S314 - no entities, see above
        return JUnitXml.fromroot(root)
    except (ET.ParseError, JUnitXmlError) as error:
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
    return Failing(_name(case), _suite(case), (words or [""])[0].strip()[:_WORDS], _seconds(case))
