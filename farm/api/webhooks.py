"""Webhooks of forges come in. What was answered with 202 is kept, and in the ledger as soon as its time has come."""

import json
import time
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.background import BackgroundTask

from farm.api.service import Farm, Service
from farm.errors import Refused
from farm.forges import FORGES, Forge, Headers, Ignored, Malformed, Message, Moved, Ping, Proposed
from farm.push import Push
from farm.settings import Secret

LONGEST = 300  # characters of a project's name

log = structlog.get_logger()
routes = APIRouter(tags=["webhooks"])


@routes.post("/webhooks/{forge}", status_code=202, summary="Take a webhook of a forge: github, gitlab, gitea, forgejo")
async def webhook(forge: str, request: Request, farm: Farm) -> JSONResponse:
    """Answer 202 when what it tells is kept, 200 where there is nothing to do, 401 unsigned, 409 when taken before.

    It wants no token of the farm's: the forge signs it with the secret that farm.yml names for the repository.
    """
    return await run_in_threadpool(_answer, forge, request.headers, await request.body(), farm)


def _answer(name: str, headers: Headers, body: bytes, farm: Service) -> JSONResponse:
    forge = FORGES.get(name)
    if forge is None:
        raise HTTPException(404, f"the farm knows no forge {name!r}; it takes /webhooks/{', /webhooks/'.join(FORGES)}")
    document = _document(headers, body)
    project = forge.project(document)[:LONGEST]
    repository = farm.settings.project(name, project) if project else None
    _signed(forge, headers, body, farm.settings.webhook_secret(name, repository), project)
    message = _message(forge, headers, document)
    if isinstance(message, Ping):
        return _done(f"the farm hears {name}; pushes of {project or 'its repositories'} are welcome")
    if isinstance(message, Ignored):
        return _done(f"nothing to do: {message.reason}")
    if isinstance(message, Moved) and not message.ref.startswith(("refs/heads/", "refs/tags/")):
        return _done(f"nothing to do: {message.ref} is neither a branch nor a tag")
    if repository is None:
        # A webhook of a whole group tells of all its projects, and a forge may switch off one that is refused.
        return _done(
            f"nothing to do: farm.yml names no repository whose forge is {name} and whose project is {project}"
        )
    _checked(message, repository)
    farm.ledger.repository(repository)
    identities = [f"{name} {repository} {identity}" for identity in forge.identities(headers, body)]
    if not farm.webhooks.take(repository, identities, message):
        raise HTTPException(409, "this delivery was taken before, so nothing was done; push again to have a pipeline")
    said = {"detail": f"kept: {message.ref} of {repository}", "repository": repository}
    return JSONResponse(said, 202, background=BackgroundTask(farm.webhooks.soon))


def _document(headers: Headers, body: bytes) -> Mapping[str, Any]:
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"the body is {kind or 'of no known type'}; let the webhook send application/json")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise HTTPException(400, "the body is no JSON object; is this URL in the webhook of a forge?")
    return document


def _signed(forge: Forge, headers: Headers, body: bytes, secret: Secret | None, project: str) -> None:
    if secret is None:
        where = f"repositories.<name>.forge (kind {forge.NAME}, project {project}) or forges.{forge.NAME}"
        raise HTTPException(404, f"no secret is known for {project or 'this'}; farm.yml names one under {where}")
    try:
        revealed = secret.reveal()
    except Refused as refusal:
        log.warning("webhook.secret", forge=forge.NAME, project=project, error=str(refusal))
        raise HTTPException(503, "the farm cannot read the secret of this webhook; `farm doctor` says why") from None
    if doubt := forge.doubt(headers, body, revealed, time.time()):
        log.warning("webhook.unsigned", forge=forge.NAME, project=project, error=doubt)
        raise HTTPException(401, doubt)


def _message(forge: Forge, headers: Headers, document: Mapping[str, Any]) -> Message:
    event = forge.event(headers)
    if not event:
        raise HTTPException(400, f"the request does not name its event; is this URL in a webhook of {forge.NAME}?")
    try:
        return forge.read(event, document)
    except Malformed as error:
        raise HTTPException(422, str(error)) from None


def _checked(message: Moved | Proposed, repository: str) -> None:
    """Refuse what git itself would not write, before it is kept."""
    new = message.new if isinstance(message, Moved) else message.commit
    Push("", repository, message.ref, message.old if isinstance(message, Moved) else new, new)


def _done(sentence: str) -> JSONResponse:
    return JSONResponse({"detail": sentence}, 200)
