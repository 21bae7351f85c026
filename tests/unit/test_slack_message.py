import re
from typing import Any

import pytest
from hypothesis import given, strategies as st

from farm.pipeline import Job, Pipeline, Stage, Status
from farm.plain import plain
from farm.reporters import News
from farm.reporters.slack.message import drift, log, message, note, rollback
from farm.reporters.streak import Streak, follow
from tests.slack import objections


def pipeline(status=Status.FAILED, number=218, **changes: Any):
    result = changes.pop("result", {"tests": {"failing": [{"name": "test_vat", "message": "assert 1 == 2\nmore"}]}})
    failed = (Job("test", status, result=result),) if status in (Status.FAILED, Status.ERRORED) else ()
    values = {
        "number": number,
        "repository": "thyme",
        "ref": "refs/heads/main",
        "commit": "3f9c2e1" + "0" * 33,
        "subject": "Fix VAT rounding",
        "author": "Ada",
        "who": "ada",
        "status": status,
        "reason": "1 of 12 tests failed",
        "created": 1000.0,
        "started": 1001.0,
        "finished": 1072.0,
        "image": None,
        "released": (),
        "stages": (Stage("build", Status.PASSED), Stage("test", status, jobs=failed)),
    }
    return Pipeline(**(values | changes))


def texts(payload):
    return [block["text"]["text"] for block in payload["blocks"]]


def test_a_failure_says_where_what_and_why():
    news = News("finished", pipeline(), tail=["\x1b[31mE  assert 1 == 2\x1b[0m", "", "FAILED <test> & co"])
    head, what, reason, tests, tail, links = texts(message(news, "https://farm.example"))
    assert head == ":x: *<https://farm.example/pipelines/218|#218 failed>*  thyme · main · test · 1 min 12 s"
    assert what == "Fix VAT rounding\n`3f9c2e1` by Ada"
    assert reason == "1 of 12 tests failed"
    assert tests == "• test_vat: assert 1 == 2"
    assert tail == "```\nE  assert 1 == 2\nFAILED &lt;test&gt; &amp; co\n```"
    assert "<https://farm.example/pipelines/218|pipeline #218>" in links
    assert "<https://farm.example/pipelines/218/logs/test?at=error|log at the first error>" in links


def test_what_was_allowed_to_fail_is_told_of_a_green_pipeline():
    lint = Job("test/lint", Status.FAILED, allowed=True, result={"tests": {"failing": [{"name": "test_x"}]}})
    stages = (Stage("build", Status.PASSED), Stage("test", Status.PASSED, jobs=(lint,)))
    shown = "\n".join(texts(message(News("finished", pipeline(Status.PASSED, stages=stages)), "")))
    assert "allowed to fail, and failed: test/lint" in shown
    assert "test_x" not in shown


def test_nobody_is_mentioned():
    payload = message(News("finished", pipeline(subject="<!channel> <@U1>")), "https://farm.example")
    assert "<!" not in str(payload)
    assert "<@" not in str(payload)


def test_five_failing_tests_at_most():
    failing = [{"name": f"test_{n}", "message": ""} for n in range(9)]
    shown = "\n".join(texts(message(News("finished", pipeline(result={"tests": {"failing": failing}})), "")))
    assert "test_4" in shown
    assert "test_5" not in shown
    assert "and 4 more" in shown


def test_the_last_fifteen_lines():
    shown = "\n".join(texts(message(News("finished", pipeline(), tail=[f"line {n}" for n in range(40)]), "")))
    assert "line 24\n" not in shown
    assert "line 25\n" in shown
    assert "line 39\n" in shown


def test_recovery_says_how_long_it_was_broken():
    before = Streak(number=215, bad=True, since=1072 - 42 * 60, pushes=3)
    head = texts(message(News("finished", pipeline(Status.PASSED)), "https://farm.example", before))[0]
    assert head.startswith(":white_check_mark:")
    assert head.endswith("green again after 42 min, 3 pushes")


# What chance seldom finds: words that call everybody, escapes at the limit, characters that Slack counts twice.
ODD = ["@Channel @here <!here> <@U2>", "&<>" * 1500, "\N{GRINNING FACE}" * 2000, "```" * 900, "\x1b[1m\u202e\r\n"]
texts_of_strangers = st.text(max_size=4000) | st.sampled_from(ODD)


@given(
    texts_of_strangers,
    st.lists(texts_of_strangers, max_size=20),
    st.lists(st.fixed_dictionaries({"name": texts_of_strangers, "message": texts_of_strangers}), max_size=8),
)
def test_slack_takes_whatever_a_log_or_a_commit_holds(text, tail, failing):
    odd = pipeline(subject=text, author=text, reason=text, repository=text, result={"tests": {"failing": failing}})
    news, web_url = (
        News("finished", odd, tail=tail, detail=text, who=text, image=text, before=218),
        "https://farm.example",
    )
    payloads = [message(news, web_url), message(news, web_url, person="U1"), note(news, web_url, "again"), log(news)]
    for payload in filter(None, [*payloads, drift(news, web_url), rollback(news, web_url)]):
        assert objections(payload) is None
        for shown in texts(payload):
            assert not re.search(r"&(?!amp;|lt;|gt;)", shown)
            assert not re.search(r"@(channel|here|everyone)", shown, re.IGNORECASE)
            assert shown.count("<") == shown.count("<https://farm.example/pipelines/218") + shown.count("<@U1>")


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("10%\r50%\r100%\r\n", "100%"),
        ("bell\x07 \x1bc", "bell"),
        ("\u202eevil", "evil"),
        ("tab\there", "tab\there"),
    ],
)
def test_plain(line, left):
    assert plain(line) == left


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("change", [2, 4, 6]),
        ("failure", [2, 3, 6]),
        ("always", [1, 2, 3, 4, 5, 6, 7]),
        ("never", []),
    ],
)
def test_which_pipelines_are_told(when, told):
    passed, failed, errored, canceled = Status.PASSED, Status.FAILED, Status.ERRORED, Status.CANCELED
    streak, heard = None, []
    for number, status in enumerate((passed, failed, errored, passed, passed, failed, canceled), start=1):
        streak, worth = follow(streak, pipeline(status, number), when)
        heard += [number] * worth
    assert heard == told


def test_an_older_pipeline_that_ends_later_changes_nothing():
    streak, _ = follow(None, pipeline(Status.PASSED, 10), "change")
    assert follow(streak, pipeline(Status.FAILED, 9), "change") == (streak, False)
