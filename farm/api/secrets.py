"""Secrets of repositories are set, listed and removed. A value goes in and never comes out again."""

from dataclasses import asdict
from typing import Any

import structlog
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from farm.api.service import Farm, Service, Token, Who, admit
from farm.errors import Refused
from farm.secrets import Secrets
from farm.settings import Settings

log = structlog.get_logger()
routes = APIRouter(prefix="/repositories/{repository:path}/secrets", tags=["secrets"])


class NewSecret(BaseModel):
    """A value, whether refs that are not protected are given it too, and who sets it."""

    value: str = Field(repr=False)
    unprotected: bool = False
    who: Who


@routes.put("/{name}", summary="Set a secret")
def put(repository: str, name: str, new: NewSecret, farm: Farm, token: Token) -> dict[str, Any]:
    """Take the place of an earlier value; steps that begin from now on are given the new one."""
    secrets = _secrets(farm, token, repository)
    kept = secrets.set(repository, name, new.value, unprotected=new.unprotected, who=new.who)
    log.info("secret.set", repository=repository, name=name, unprotected=new.unprotected, who=new.who)
    return asdict(kept)


@routes.get("", summary="List the secrets of a repository")
def list_(repository: str, farm: Farm, token: Token) -> list[dict[str, Any]]:
    """By name, with who set each and when; no values."""
    return [asdict(secret) for secret in _secrets(farm, token, repository).list(repository)]


@routes.delete("/{name}", summary="Remove a secret")
def delete(repository: str, name: str, who: Who, farm: Farm, token: Token) -> dict[str, Any]:
    """Forget its value; a definition that names it is refused from now on."""
    secrets = _secrets(farm, token, repository)
    try:
        secrets.remove(repository, name)
    except Refused as refusal:
        raise HTTPException(404, str(refusal)) from refusal
    log.info("secret.removed", repository=repository, name=name, who=who)
    return {"repository": repository, "name": name}


def _secrets(farm: Service, token: str, repository: str) -> Secrets:
    """Return the secrets to who may see to them; the keys are those of this moment, for they may be changed."""
    admit(farm.access.everything(token))
    farm.ledger.repository(repository)
    return Secrets(farm.record.redis, Settings.load(farm.settings.home).secret_keys)
