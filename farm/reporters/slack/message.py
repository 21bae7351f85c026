"""What Slack is sent, a pure function of the news, within the limits of Block Kit whatever the news holds."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from farm.durations import duration
from farm.pipeline import Job, Pipeline, Status, told_apart
from farm.plain import plain
from farm.reporters import News
from farm.reporters.slack.text import SECTION, clip, escape, fenced
from farm.reporters.streak import BAD, Streak

TESTS = 5
LINES = 15
_ICONS = {Status.PASSED: ":white_check_mark:", Status.FAILED: ":x:", Status.ERRORED: ":warning:"}

Payload = dict[str, Any]


def message(
    news: News, web_url: str, before: Streak | None = None, *, person: str | None = None, tail: bool = True
) -> Payload:
    """Return how a pipeline stands; `before` is how its branch stood, `person` the author's id in Slack."""
    pipeline = news.pipeline
    stage, jobs = _culprit(pipeline)
    where = [pipeline.repository, pipeline.branch, *([stage] if stage else []), _duration(pipeline)]
    head = f"{_ICONS.get(pipeline.status, ':white_circle:')} *{_link(pipeline, web_url, f'{pipeline.status}')}*  "
    head += " · ".join(clip(escape(part), 200) for part in where)
    if before and before.bad:
        head += f"\n{recovery(pipeline, before) if pipeline.status is Status.PASSED else _still(pipeline, before)}"
    sections = [head, _what(pipeline, person)]
    if pipeline.reason and pipeline.status in BAD:
        sections.append(clip(escape(pipeline.reason), SECTION))
    if allowed := [job.name for job in pipeline.jobs if job.allowed]:
        sections.append(clip(escape(f"allowed to fail, and failed: {', '.join(allowed)}"), SECTION))
    if flaky := [job for job in pipeline.jobs if job.flaky]:
        sections.append(clip(escape("\n".join(f"{job.name}: {job.reason}" for job in flaky)), SECTION))
    if failing := [test for job in jobs for test in _failing(job)]:
        sections.append(_tests(failing))
    if tail and (lines := _last(news)):
        sections.append(fenced(lines))
    sections.append(_links(pipeline, web_url, stage, jobs))
    text = f"#{pipeline.number} {pipeline.status}: {' '.join(where)}: {pipeline.subject}"
    return _payload(text, sections)


def log(news: News) -> Payload | None:
    """Return the last lines of the step that failed, None when it said nothing."""
    lines = _last(news)
    return _payload(f"The last lines of #{news.pipeline.number}", [fenced(lines)]) if lines else None


def note(news: News, web_url: str, text: str, person: str | None = None) -> Payload:
    """Return one more thing that happened while a branch is broken, for its thread: an event, and the log's end."""
    pipeline = news.pipeline
    head = f"{_link(pipeline, web_url, text)} · {_duration(pipeline)}\n{_what(pipeline, person)}"
    sections = [head, *([fenced(lines)] if (lines := _last(news)) else [])]
    return _payload(f"#{pipeline.number} {text}", sections)


def recovery(pipeline: Pipeline, before: Streak) -> str:
    """Return for how long and how many pushes the branch was broken."""
    after = duration((pipeline.finished or pipeline.created) - before.since)
    return f"green again after {after}, {_pushes(before)}"


def recovered(news: News, web_url: str, before: Streak) -> Payload:
    """Return the word that everybody hears when a branch is green again."""
    text = recovery(news.pipeline, before)
    return _payload(f"#{news.pipeline.number} {text}", [f":white_check_mark: {_link(news.pipeline, web_url, text)}"])


def drift(news: News, web_url: str) -> Payload:
    """Return what Slack is sent of a tag that the registry had wrong, whoever wrote it there."""
    link = _link(news.pipeline, web_url, "")
    detail = clip(escape(plain(news.detail)), SECTION - len(link) - 20)
    return _payload(plain(news.detail), [f":warning: {detail}  ·  {link}"])


def rollback(news: News, web_url: str) -> Payload:
    """Return what Slack is sent when somebody pointed a tag back: who, which tag, from which pipeline to which."""
    name, who = f"{plain(news.image)}:{news.tag}", plain(news.who) or "somebody"
    was = f"<{web_url}/pipelines/{news.before}|#{news.before}>"
    head = f":rewind: {clip(escape(who), 200)} rolled back *{clip(escape(name), 400)}*"
    text = f"{who} rolled back {name} from #{news.before} to #{news.pipeline.number}"
    return _payload(text, [f"{head} from {was} to {_link(news.pipeline, web_url, '')}\n{_what(news.pipeline, None)}"])


def trial(web_url: str) -> Payload:
    """Return the message of `farm notify test`."""
    return _payload(
        "A test of the farm", [f"A test of the farm at <{web_url}/pipelines|its pipelines>: Slack hears it."]
    )


def _payload(text: str, sections: Sequence[str]) -> Payload:
    return {
        "text": clip(escape(text), SECTION) or "The farm",
        # verbatim: nothing but what is written here as a link or a mention becomes one
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": section, "verbatim": True}} for section in sections
        ],
    }


def _link(pipeline: Pipeline, web_url: str, words: str) -> str:
    return f"<{web_url}/pipelines/{pipeline.number}|{f'#{pipeline.number} {words}'.strip()}>"


def _links(pipeline: Pipeline, web_url: str, stage: str | None, jobs: Sequence[Job]) -> str:
    commands = [f"farm show {pipeline.number}"]
    if stage == "test":
        commands.append(f"farm replay {pipeline.number}")
    if stage == "build":
        commands.append("farm run build")
    page = f"{web_url}/pipelines/{pipeline.number}"
    links = [f"<{page}|pipeline #{pipeline.number}>"]
    if jobs:
        links.append(f"<{page}/logs/{quote(jobs[0].name)}?at=error|log at the first error>")
    return "  ·  ".join([*links, *(f"`{command}`" for command in commands)])


def _what(pipeline: Pipeline, person: str | None) -> str:
    author = f"<@{person}>" if person else clip(escape(pipeline.author), 200)
    by = f" by {author}" if author else ""
    return f"{clip(escape(pipeline.subject), 600) or '(no subject)'}\n`{pipeline.commit[:7]}`{by}"


def _still(pipeline: Pipeline, before: Streak) -> str:
    return f"broken for {duration((pipeline.finished or pipeline.created) - before.since)}, {_pushes(before)}"


def _pushes(streak: Streak) -> str:
    return f"{streak.pushes} {'push' if streak.pushes == 1 else 'pushes'}"


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
    for test, told in zip(failing[:TESTS], told_apart(failing), strict=False):
        name = clip(escape(plain(told)), 250)
        first = next(iter(plain(part) for part in str(test.get("message") or "").splitlines() if plain(part)), "")
        lines.append(f"• {name}" + (f": {clip(escape(first), 250)}" if first else ""))
    if len(failing) > TESTS:
        lines.append(f"and {len(failing) - TESTS} more")
    return "\n".join(lines)


def _last(news: News) -> list[str]:
    return [line for line in (plain(line) for line in news.tail) if line][-LINES:]


def _duration(pipeline: Pipeline) -> str:
    return duration((pipeline.finished or pipeline.created) - pipeline.created)
