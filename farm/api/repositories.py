"""Repositories are registered and listed. What is in them is git's."""

from dataclasses import asdict
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from farm import git
from farm.access import hashed, new_token
from farm.api.service import Farm, Token, admit
from farm.errors import Refused

log = structlog.get_logger()
routes = APIRouter(tags=["repositories"])
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Registration(BaseModel):
    """A repository by its name and the clone URL that workers can reach; `refs` (ref: id) are there already."""

    name: Name
    url: Annotated[str, Field(min_length=1, max_length=1000)]
    default_branch: Name = "main"
    refs: dict[str, str] = {}


@routes.post("/repositories", summary="Register a repository and get a token for its hook")
def register(registration: Registration, farm: Farm, token: Token) -> dict[str, str]:
    """Take it in. The same name and URL again only gives a new token; another URL under the name is a conflict."""
    admit(farm.access.everything(token))
    git.mirror_path(farm.settings.home, registration.name)
    git.checked(registration.url)
    secret = new_token()
    try:
        there = farm.ledger.repository(registration.name).url
    except Refused:
        there = registration.url
    if there != registration.url:
        raise HTTPException(
            409, f"{registration.name!r} is registered with {git.shown(there)}; choose another name for this one"
        )
    farm.ledger.register(
        registration.name, registration.url, registration.default_branch, registration.refs, hashed(secret)
    )
    log.info("repository.registered", repository=registration.name)
    return {"name": registration.name, "token": secret}


@routes.get("/repositories", summary="List the registered repositories")
def repositories(farm: Farm, token: Token) -> list[dict[str, Any]]:
    """By name, without the hash of their hook's token."""
    admit(farm.access.everything(token))
    documents = [asdict(repository) for repository in farm.ledger.repositories()]
    return [{name: value for name, value in document.items() if name != "token_hash"} for document in documents]
