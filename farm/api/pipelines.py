"""Pipelines are listed, shown, canceled, tried again and approved."""

import json
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel

from farm import git
from farm.api.service import Actor, Farm, Owner, Reader, Service, Who, admit, seen
from farm.api.tagged import Tagged
from farm.errors import Refused
from farm.pipeline import Pipeline, Status

log = structlog.get_logger()
routes = APIRouter(tags=["pipelines"], route_class=Tagged)


class Cancellation(BaseModel):
    """Who cancels."""

    who: Who = None


class Word(BaseModel):
    """Who gives it."""

    who: Who = None


class Retry(BaseModel):
    """Who tries again; with `failed` what passed is kept."""

    who: Who = None
    failed: bool = False


@routes.get("/pipelines", summary="List pipelines, newest first")
def pipelines(
    *,
    farm: Farm,
    reader: Reader,
    request: Request,
    response: Response,
    repository: str | None = None,
    ref: Annotated[str | None, Query(description="a full one")] = None,
    status: Status | None = None,
    before: Annotated[int | None, Query(description="a number")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> list[dict[str, Any]]:
    """List them; `Link: <?…>; rel="next"` leads on where there may be more, also when fewer came than were asked for.

    A token of one repository must name it.
    """
    admit(reader, repository)
    found, more = farm.record.page(repository=repository, ref=ref, status=status, before=before, limit=limit)
    if more is not None:
        response.headers["Link"] = f'<?{request.url.include_query_params(before=more).query}>; rel="next"'
    return [pipeline.document(jobs=False) for pipeline in found]


@routes.get("/pipelines/{number}", summary="How one pipeline stands")
def pipeline(number: int, farm: Farm, reader: Reader) -> dict[str, Any]:
    """Show the pipeline with its stages and jobs, and in `waiting` one sentence on why it waits, or null."""
    return _shown(farm, seen(farm, reader, number))


@routes.get("/pipelines/{number}/definition", summary="What one pipeline runs")
def definition(number: int, farm: Farm, reader: Reader) -> dict[str, Any]:
    """Give its definition with everything filled in, and where the commit is; 404 when no step was ever to run."""
    found = seen(farm, reader, number)
    try:
        text = farm.record.definition(number)
    except Refused as refusal:
        raise HTTPException(404, str(refusal)) from refusal
    return {"definition": json.loads(text), "url": git.shown(farm.ledger.repository(found.repository).url)}


@routes.post("/pipelines/{number}/cancel", summary="Cancel a pipeline")
def cancel(number: int, cancellation: Cancellation, farm: Farm, actor: Actor) -> dict[str, Any]:
    """409 when it is over already or being released."""
    seen(farm, actor, number)
    who = actor.acting(cancellation.who)
    try:
        farm.record.cancel(number, who)
    except Refused as refusal:
        raise HTTPException(409, str(refusal)) from refusal
    log.info("pipeline.canceled", pipeline=number, who=who)
    return _shown(farm, farm.record.pipeline(number))


@routes.post("/pipelines/{number}/retry", summary="Try a finished pipeline again")
def retry(number: int, again: Retry, farm: Farm, actor: Actor) -> dict[str, Any]:
    """Open the next round under the same number; 409 when it is not over, or nothing is left to be tried."""
    found = seen(farm, actor, number)
    try:
        farm.intake.dispatcher.retry(number, actor.acting(again.who), failed=again.failed)
    except Refused as refusal:
        raise HTTPException(409, str(refusal)) from refusal
    if not found.stages:
        farm.intake.take(found.repository, number)
    return _shown(farm, farm.record.pipeline(number))


@routes.post("/pipelines/{number}/approve", summary="Let a pull request from a fork run")
def approve(number: int, word: Word, farm: Farm, owner: Owner) -> dict[str, Any]:
    """Run the commits of this pipeline, and no later ones; 409 when it is none from a fork or has run."""
    found = seen(farm, owner, number)
    try:
        farm.intake.dispatcher.approve(number, owner.acting(word.who))
    except Refused as refusal:
        raise HTTPException(409, str(refusal)) from refusal
    farm.intake.take(found.repository, number)
    return _shown(farm, farm.record.pipeline(number))


def _shown(farm: Service, found: Pipeline) -> dict[str, Any]:
    return found.document() | {"waiting": farm.record.waiting(found.number)}
