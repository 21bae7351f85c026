"""A hook behind the release: a script in the image that was released, or a URL that hears of it, once for each image.

The record knows which have run. It can be lost between the end of one and that word; then it comes again, under the
same id.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from farm.definition.models import Hook, Job
from farm.errors import Errored, Failed
from farm.pipeline import Status
from farm.record import Claim, Record
from farm.registry import split
from workers import test
from workers.workspace import Outcome, Workspace

STEP = "release/"
_AGAIN = (408, 425, 429)  # answers that ask for another try; those from 500 on do, too


def run(work: Workspace, record: Record) -> Outcome:
    """Run the hook of the claimed step, unless it has run for this image or another release came in between.

    Raises Errored for what another try may mend.
    """
    claim = work.claim
    hook = _hook(work)
    tags = tuple(claim.results.get("release", {}).get("released", ()))
    name, image = claim.step.removeprefix(STEP), split(claim.image or "")[2]
    verdict = record.hook(claim, tags)
    if verdict == "ran":
        return Outcome(Status.PASSED, "it ran already for this image")
    if verdict == "moved":
        return Outcome(Status.SKIPPED, "another release has the tags by now")
    told = {"FARM_RELEASE": f"{claim.number}-{image}", "FARM_TAGS": " ".join(tags)}
    work.guard()
    try:
        outcome = _called(work, hook, told) if hook.url else _scripted(work, hook, told)
    except Failed as error:
        outcome = Outcome(Status.FAILED, str(error))
    except Errored as error:
        raise Errored(f"{name}: {error}; the image stays released") from error
    if outcome.status is Status.PASSED:
        record.hook(claim, tags, done=True)
        return outcome
    return Outcome(outcome.status, f"{name}: {outcome.reason}; the image stays released", outcome.result)


def _hook(work: Workspace) -> Hook:
    try:
        return work.definition.release.after[work.claim.step.removeprefix(STEP)]
    except KeyError:
        raise Errored(
            f"the definition has no hook for the step {work.claim.step}; the dispatcher is another version"
        ) from None


def _scripted(work: Workspace, hook: Hook, told: Mapping[str, str]) -> Outcome:
    job = Job(script=hook.script, env={**hook.env, **told}, timeout=hook.timeout)
    place = test.prepare(work, job)
    return test.judge(work, place, test.start(work, place, job.script))


def _called(work: Workspace, hook: Hook, told: Mapping[str, str]) -> Outcome:
    """Call the URL; where it leads on to is not gone to, and nothing of the answer but its status is shown."""
    url = hook.url or ""
    host = urlsplit(url).hostname
    headers = {"Farm-Delivery": told["FARM_RELEASE"], "User-Agent": "farm"}
    try:
        with (
            httpx.Client(timeout=httpx.Timeout(hook.timeout, connect=10.0)) as client,
            client.stream(
                "POST", url, json=_document(work.claim, told["FARM_TAGS"].split()), headers=headers
            ) as answer,
        ):
            status = answer.status_code
    except httpx.TransportError as error:
        raise Errored(
            f"{host} does not answer: {error or type(error).__name__}; look at the URL of the hook"
        ) from error
    work.log.line(f"POST {host}: {status}")
    if status in _AGAIN or status >= 500:  # noqa: PLR2004
        raise Errored(f"{host} answered {status}; look there")
    if not 200 <= status < 300:  # noqa: PLR2004
        return Outcome(Status.FAILED, f"{host} answered {status}", {"answer": status})
    return Outcome(Status.PASSED, None, {"answer": status})


def _document(claim: Claim, tags: list[str]) -> Mapping[str, Any]:
    return {
        "pipeline": claim.number,
        "repository": claim.repository,
        "ref": claim.ref,
        "commit": claim.commit,
        "subject": claim.subject,
        "author": claim.author,
        "image": claim.image,
        "tags": tags,
    }
