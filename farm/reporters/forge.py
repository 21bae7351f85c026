"""Commit statuses on a forge: one for each stage, with a link. What is there already is not written again.

A status is written as the pipeline stands when it is told, so that one that comes twice or late changes nothing.
"""

import time
from collections.abc import Collection, Iterator, Mapping

import httpx
from redis import Redis

from farm.durations import duration
from farm.errors import Refused
from farm.forges.statuses import CommitStatus, address, headers, request
from farm.pipeline import Pipeline, Stage, Status
from farm.reporters import Later, News, Useless
from farm.reporters.answers import LONGEST, patience
from farm.settings import ProjectSettings, Secret, Settings

TIMEOUT = 10.0  # seconds to connect, and between two pieces of an answer
KEPT = 7 * 86400  # seconds for which is known what was written
SHOWN = 200  # characters of an answer that are repeated to a person
KINDS = ("refs/heads/", "refs/tags/")
_SAME = "Cannot transition status"  # GitLab, for a status that is there already


class Statuses:
    """The reporter that writes to the forges of one kind, for the repositories that have a token for it."""

    def __init__(self, kind: str, database: Redis, settings: Settings) -> None:
        self.name = f"forge-{kind}"
        self.kinds: Collection[str] = ("queued", "step", "finished")
        self._kind = kind
        self._settings = settings
        self._redis = database
        self._http = httpx.Client(timeout=TIMEOUT, headers={"User-Agent": "farm"})

    def tell(self, news: News) -> None:
        """Write the status of each stage that is another than before."""
        pipeline = news.pipeline
        project = self._settings.repository(pipeline.repository).forge
        if not project or project.kind != self._kind or not (token := self._settings.forge_token(project)):
            return
        known = f"farm:statuses:{pipeline.number}"
        for told in statuses(pipeline, f"{self._settings.web_url}/pipelines/{pipeline.number}"):
            words = f"{told.status} {told.description}"
            if self._redis.hget(known, told.context) != words:
                self._write(project, project.project or pipeline.repository, token, told)
                self._redis.hset(known, told.context, words)
                self._redis.expire(known, KEPT)

    def _write(self, project: ProjectSettings, name: str, token: Secret, told: CommitStatus) -> None:
        base = address(self._kind, project.url or self._settings.forge_url(self._kind))
        if not base:
            raise Later(f"farm.yml does not say where {name} is; give its forge a url", alone=True)
        url, body = request(self._kind, base, name, told)
        try:
            answer = self._http.post(url, json=body, headers=headers(self._kind, token.reveal()))
        except Refused as refusal:
            raise Later(str(refusal), alone=True) from refusal
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Later(f"{base} does not answer: {error or type(error).__name__}") from error
        if answer.is_success or (answer.status_code == httpx.codes.BAD_REQUEST and _SAME in answer.text):
            return
        sentence = f"{base} answers {answer.status_code} for {name}: {' '.join(answer.text[:SHOWN].split())}"
        if answer.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY):
            raise Useless(sentence)
        wait = _wait(answer.headers)
        busy = answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS or wait is not None
        raise Later(sentence, wait, alone=not busy)


def statuses(pipeline: Pipeline, link: str) -> Iterator[CommitStatus]:
    """Give what is said of each stage; of a pipeline that failed before it had any, the build failed."""
    stages = pipeline.stages
    if not stages and pipeline.status in (Status.FAILED, Status.ERRORED):
        stages = [Stage("build", pipeline.status)]
    name = next((pipeline.ref.removeprefix(kind) for kind in KINDS if pipeline.ref.startswith(kind)), "")
    for stage in stages:
        yield CommitStatus(pipeline.commit, f"farm/{stage.name}", stage.status, _words(pipeline, stage), link, name)


def _words(pipeline: Pipeline, stage: Stage) -> str:
    if stage.status is Status.PENDING:
        return f"#{pipeline.number} waits"
    if stage.status is Status.RUNNING:
        return f"#{pipeline.number} runs"
    reason = next((job.reason for job in stage.jobs if job.broken and job.reason), None)
    if not reason and stage.status is not Status.PASSED:
        reason = pipeline.reason
    if not reason and stage.started and stage.finished:
        reason = f"after {duration(stage.finished - stage.started)}"
    return f"#{pipeline.number} {stage.status}" + (f": {reason}" if reason else "")


def _wait(given: Mapping[str, str]) -> float | None:
    """Return the seconds that a forge asks for: in Retry-After, or GitHub's time at which its limit begins anew."""
    if (seconds := patience(given)) is not None:
        return seconds
    left, anew = given.get("x-ratelimit-remaining"), given.get("x-ratelimit-reset", "")
    return min(LONGEST, max(1.0, int(anew) - time.time())) if left == "0" and anew.isdecimal() else None
