"""What the tests of a branch did lately: all of them, those that need attention first, or the history of one."""

from farm.flower import plots
from farm.flower.pages.parts import full_ref
from farm.flower.site import Page, Site, render
from farm.record import Record, TestHistory

MOST = 200


def remembered(record: Record, site: Site, repository: str, branch: str, *, test: str = "", find: str = "") -> Page:
    """Return the page of a branch's tests, or of one."""
    known = sorted(record.redis.smembers("farm:repositories"))
    ref = full_ref(branch or "main")
    if test:
        histories = record.test_history(repository, ref, test)
        title = test
    else:
        every = record.test_histories(repository, ref) if repository in known else []
        histories = sorted((each for each in every if find.lower() in each.test.lower()), key=_attention)
        title = f"Tests of {repository} {_short(ref)}" if repository else "Tests"
    shown = histories[:MOST]
    body = render(
        "tests.html",
        site=site,
        title=title,
        repositories=known,
        repository=repository,
        branch=_short(ref),
        test=test,
        find=find,
        rows=[(history, _strip(history)) for history in shown],
        more=len(histories) - len(shown),
    )
    return Page(title, "pipelines", body)


def _attention(history: TestHistory) -> tuple[bool, bool, float, str]:
    last = history.runs[-1]
    return last.outcome != "failed", not history.flaky, -last.seconds, history.test


def _strip(history: TestHistory) -> str:
    longest = max((run.seconds for run in history.runs), default=0) or 1
    bars = [(f"farm-is-{'errored' if run.both else run.outcome}", run.seconds / longest) for run in history.runs]
    words = f"{len(history.runs)} runs, {history.failures} failed"
    return plots.strip(bars, words)


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
