"""Slack by an incoming webhook: one message at the first failure of a branch and one when it is green again.

A webhook can neither edit nor thread; what it says is a pure function of the news. Limits of Slack: 3,000 characters
a section, 50 blocks (https://docs.slack.dev/reference/block-kit/blocks/section-block).
"""

from collections.abc import Collection, Sequence
from typing import Any

from redis import Redis
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.webhook import WebhookClient

from farm.errors import Refused
from farm.pipeline import Job, Pipeline, Status
from farm.plain import plain
from farm.reporters import Later, News, Useless
from farm.reporters.streak import BAD, Streak, follow
from farm.settings import Secret

SECTION = 3000
TESTS = 5
LINES = 15
TIMEOUT = 5  # seconds for one request

_ICONS = {Status.PASSED: ":white_check_mark:", Status.FAILED: ":x:", Status.ERRORED: ":warning:"}


def message(news: News, web_url: str, before: Streak | None = None) -> dict[str, Any]:
    """Return what Slack is sent: the fallback text and the blocks, within Slack's limits whatever the news holds."""
    pipeline = news.pipeline
    link = f"{web_url}/pipelines/{pipeline.number}"
    stage, jobs = _culprit(pipeline)
    where = [pipeline.repository, pipeline.branch, *([stage] if stage else []), _duration(pipeline)]
    head = f"{_ICONS.get(pipeline.status, ':white_circle:')} *<{link}|#{pipeline.number} {pipeline.status}>*  "
    head += " · ".join(_clip(_escape(part), 200) for part in where)
    if pipeline.status is Status.PASSED and before and before.bad:
        minutes = _words((pipeline.finished or pipeline.created) - before.since)
        head += f"\ngreen again after {minutes}, {before.pushes} {'push' if before.pushes == 1 else 'pushes'}"
    author = f" by {_clip(_escape(pipeline.author), 200)}" if pipeline.author else ""
    what = f"{_clip(_escape(pipeline.subject), 600) or '(no subject)'}\n`{pipeline.commit[:7]}`{author}"
    sections = [head, what]
    if pipeline.reason and pipeline.status in BAD:
        sections.append(_clip(_escape(pipeline.reason), SECTION))
    if allowed := [job.name for stage in pipeline.stages for job in stage.jobs if job.allowed]:
        sections.append(_clip(_escape(f"allowed to fail, and failed: {', '.join(allowed)}"), SECTION))
    if flaky := [job for stage in pipeline.stages for job in stage.jobs if job.flaky]:
        sections.append(_clip(_escape("\n".join(f"{job.name}: {job.reason}" for job in flaky)), SECTION))
    if failing := [test for job in jobs for test in _failing(job)]:
        sections.append(_tests(failing))
    if tail := [line for line in (plain(line) for line in news.tail) if line][-LINES:]:
        sections.append(_fenced(tail))
    sections.append(f"<{link}|pipeline #{pipeline.number}>  ·  `farm show {pipeline.number}`")
    text = f"#{pipeline.number} {pipeline.status}: {' '.join(where)}: {pipeline.subject}"
    return {
        "text": _clip(_escape(text), SECTION),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": section}} for section in sections],
    }


def drift(news: News, web_url: str) -> dict[str, Any]:
    """Return what Slack is sent of a tag that the registry had wrong, whoever wrote it there."""
    number = news.pipeline.number
    link = f"<{web_url}/pipelines/{number}|#{number}>"
    detail = _clip(_escape(plain(news.detail)), SECTION - len(link) - 20)
    section = {"type": "section", "text": {"type": "mrkdwn", "text": f":warning: {detail}  ·  {link}"}}
    return {"text": _clip(_escape(plain(news.detail)), SECTION), "blocks": [section]}


class Slack:
    """The reporter that posts to one webhook; it remembers in Redis how each branch stood when it last said so."""

    name = "slack"
    kinds: Collection[str] = ("finished", "drift")

    def __init__(self, database: Redis, webhook: Secret, *, when: str, web_url: str) -> None:
        self._redis = database
        self._when = when
        self._web_url = web_url
        self._webhook = webhook

    def tell(self, news: News) -> None:
        """Post the message if the branch's story calls for one, then remember the story."""
        if news.kind == "drift":
            if self._when != "never":
                self._post(drift(news, self._web_url))
            return
        key = f"farm:slack:{news.pipeline.repository}:{news.pipeline.ref}"
        when = self._when if self._when == "never" else news.when or self._when
        before = Streak.read(self._redis.hgetall(key))
        after, worth = follow(before, news.pipeline, when)
        if worth:
            self._post(message(news, self._web_url, before))
        if after and after != before:
            self._redis.hset(key, mapping=after.fields())

    def _post(self, payload: dict[str, Any]) -> None:
        patience = RateLimitErrorRetryHandler(max_retry_count=1)
        try:
            client = WebhookClient(self._webhook.reveal(), timeout=TIMEOUT, retry_handlers=[patience])
            response = client.send(text=payload["text"], blocks=payload["blocks"])
        except Refused as error:
            raise Later(str(error)) from error
        except (OSError, ValueError) as error:  # refused, hung, or an answer that is no HTTP
            raise Later(f"Slack does not answer: {error}") from error
        if response.status_code == 429:  # noqa: PLR2004 - HTTP's own number
            raise Later("Slack asks for patience", _seconds(response.headers))
        if response.status_code >= 500:  # noqa: PLR2004
            raise Later(f"Slack answers {response.status_code}")
        if response.status_code != 200:  # noqa: PLR2004
            raise Useless(f"Slack refuses the message with {response.status_code} {response.body[:200]!r}")


def _culprit(pipeline: Pipeline) -> tuple[str | None, Sequence[Job]]:
    """Return the stage that broke the pipeline, and its broken jobs."""
    for stage in pipeline.stages:
        if jobs := [job for job in stage.jobs if job.broken]:
            return stage.name, jobs
    return None, ()


def _failing(job: Job) -> list[dict[str, Any]]:
    tests = job.result.get("tests") or {}
    return list(tests.get("failing") or ())


def _tests(failing: Sequence[dict[str, Any]]) -> str:
    lines = []
    for test in failing[:TESTS]:
        name = _clip(_escape(plain(str(test.get("name") or "?"))), 250)
        first = next(iter(plain(part) for part in str(test.get("message") or "").splitlines() if plain(part)), "")
        lines.append(f"• {name}" + (f": {_clip(_escape(first), 250)}" if first else ""))
    if len(failing) > TESTS:
        lines.append(f"and {len(failing) - TESTS} more")
    return "\n".join(lines)


def _fenced(lines: Sequence[str]) -> str:
    """Return the lines in a code fence; where they are too many the last ones count, so the cut is at the front."""
    kept: list[str] = []
    room = SECTION - len("```\n\n```")
    for line in reversed(lines):
        shown = _clip(_escape(line.replace("```", "'''")), 500)
        if len(shown) + 1 > room:
            break
        room -= len(shown) + 1
        kept.insert(0, shown)
    return "```\n" + "\n".join(kept) + "\n```"


def _escape(text: str) -> str:
    """Escape the three characters that mean something to Slack, so that nobody is mentioned and no link is made."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clip(escaped: str, limit: int) -> str:
    """Cut escaped text at the limit, never inside an escape."""
    if len(escaped) <= limit:
        return escaped
    cut = escaped[: limit - 1]
    start = cut.rfind("&", max(0, len(cut) - 5))
    if start >= 0 and ";" not in cut[start:]:
        cut = cut[:start]
    return cut + "…"


def _duration(pipeline: Pipeline) -> str:
    return _words((pipeline.finished or pipeline.created) - pipeline.created)


def _words(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"  # noqa: PLR2004
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def _seconds(headers: Any) -> float | None:
    for name, value in (headers or {}).items():
        if name.lower() == "retry-after":
            try:
                return float(value[0] if isinstance(value, list) else value)
            except ValueError:
                return None
    return None
