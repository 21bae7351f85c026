"""What tags are and were is told, tags are rolled back, images that nobody needs are removed."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field

from farm.api.service import Actor, Farm, Reader, Who, admit
from farm.api.tagged import Tagged
from farm.errors import Refused
from farm.record.releases import HISTORY

log = structlog.get_logger()
routes = APIRouter(tags=["releases"], route_class=Tagged)
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Rollback(BaseModel):
    """Who points which tag back; without a number to what it held before."""

    who: Who = None
    repository: Name
    tag: Name = "latest"
    number: int | None = None


class Collection(BaseModel):
    """Who has images removed; with `dry_run` they are only named."""

    who: Who = None
    dry_run: bool = False


@routes.get("/releases", summary="What tags are and were, by whom")
def releases(
    *,
    farm: Farm,
    reader: Reader,
    repository: str | None = None,
    tag: str | None = None,
    limit: Annotated[int, Query(ge=0, le=HISTORY)] = HISTORY,
) -> list[dict[str, Any]]:
    """List them, each with its history, the newest first. A token of one repository must name it."""
    admit(reader, repository)
    documents = [each.document() for each in farm.record.tags(repository or "", tag or "", history=limit)]
    return [document for document in documents if reader.reaches(document["repository"])]


@routes.post("/releases/rollback", summary="Point a tag back to what it was")
def rollback(wish: Rollback, farm: Farm, actor: Actor) -> dict[str, Any]:
    """Write the intent, which the registry follows within seconds (`confirmed`); 409 for what was never released."""
    owners = {each.document()["repository"] for each in farm.record.tags(wish.repository, wish.tag, history=0)}
    for owner in owners or (wish.repository,):  # an image may have the name of another repository
        admit(actor, owner)
    who = actor.acting(wish.who)
    try:
        intent = farm.record.rollback(wish.repository, wish.tag, wish.number, who)
    except Refused as refusal:
        raise HTTPException(409, str(refusal)) from refusal
    log.info("tag.rolled_back", image=intent.repository, tag=intent.tag, pipeline=intent.number, who=who)
    return next(each.document() for each in farm.record.tags(intent.repository, intent.tag))


@routes.post("/gc", summary="Remove from the registry the images that nobody needs")
def collect(wish: Collection, farm: Farm, actor: Actor) -> list[dict[str, Any]]:
    """Return what went, or with `dry_run` what would; 503 when the registry is away."""
    admit(actor)
    gone = farm.garbage.collect(dry_run=wish.dry_run)
    if gone and not wish.dry_run:
        log.info("images.removed", count=len(gone), who=actor.acting(wish.who))
    return [removed.document() for removed in gone]
