"""What the tests of a branch did lately: all of them, those that need attention first, or the history of one."""

from collections.abc import Sequence

from farm.flower import plots
from farm.flower.site import Page, Site, render
from farm.record import Record, TestHistory
from farm.refs import meant, short

MOST = 200


def remembered(record: Record, site: Site, repository: str, branch: str, *, test: str = "", find: str = "") -> Page:
    """Return the page of a branch's tests, or of one."""
    known = sorted(record.redis.smembers("farm:repositories"))
    ref, histories = _found(record, repository if test or repository in known else "", branch or "main", test)
    if not test:
        histories = sorted((each for each in histories if find.lower() in each.test.lower()), key=_attention)
    title = " · ".join(part for part in (test or "Tests", f"{repository} {short(ref)}" if repository else "") if part)
    shown = histories[:MOST]
    body = render(
        "tests.html",
        site=site,
        title=title,
        repositories=known,
        repository=repository,
        branch=short(ref),
        test=test,
        find=find,
        rows=[(history, _strip(history)) for history in shown],
        more=len(histories) - len(shown),
    )
    return Page(title, "pipelines", body)


def _found(record: Record, repository: str, branch: str, test: str) -> tuple[str, Sequence[TestHistory]]:
    """Return the first ref of that name of which tests are remembered, with what they did."""
    refs = meant(branch)
    for ref in refs if repository else ():
        if found := record.test_history(repository, ref, test) if test else record.test_histories(repository, ref):
            return ref, found
    return refs[0], ()


def _attention(history: TestHistory) -> tuple[bool, bool, float, str]:
    last = history.runs[-1]
    return last.outcome != "failed", not history.flaky, -last.seconds, history.test


def _strip(history: TestHistory) -> str:
    longest = max((run.seconds for run in history.runs), default=0) or 1
    bars = [(f"farm-is-{'errored' if run.both else run.outcome}", run.seconds / longest) for run in history.runs]
    words = f"{len(history.runs)} runs, {history.failures} failed"
    return plots.strip(bars, words)
