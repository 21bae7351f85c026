"""Named tokens are made, listed and ended, by the farm's own token alone. A token is shown once, when it is made."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, Field

from farm.access import Scope
from farm.api.service import Farm, Owner, Who
from farm.errors import Refused

YEARS = 10 * 366 * 86400  # seconds for which a token with an end is good at most

log = structlog.get_logger()
routes = APIRouter(tags=["tokens"])


class Wish(BaseModel):
    """A token's name and scopes (push, read, act), its repository if it is for one, the seconds for which it lasts."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]
    repository: Annotated[str | None, Field(max_length=200)] = None
    lasts: Annotated[float | None, Field(gt=0, le=YEARS)] = None
    who: Who = None


@routes.post("/tokens", summary="Make a token with scopes")
def create(wish: Wish, farm: Farm, owner: Owner) -> dict[str, Any]:
    """Give the `token`, which nobody can show again."""
    who = owner.acting(wish.who)
    token = farm.access.create(wish.name, wish.scopes, repository=wish.repository, lasts=wish.lasts, who=who)
    log.info("token.created", name=wish.name, scopes=" ".join(wish.scopes), repository=wish.repository, who=who)
    (made,) = (each for each in farm.access.tokens() if each.name == wish.name)
    return made.document() | {"token": token}


@routes.get("/tokens", summary="List the tokens, without what must stay secret")
def tokens(farm: Farm, _: Owner) -> list[dict[str, Any]]:
    """By name, also those that have ended; the farm's own and those of hooks are not among them."""
    return [each.document() for each in farm.access.tokens()]


@routes.delete("/tokens/{name}", summary="End a token at once")
def remove(name: Annotated[str, Path(max_length=64)], farm: Farm, _: Owner) -> dict[str, Any]:
    """404 when there is none of this name."""
    try:
        farm.access.remove(name)
    except Refused as refusal:
        raise HTTPException(404, str(refusal)) from refusal
    log.info("token.removed", name=name)
    return {"name": name}
