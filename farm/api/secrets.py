"""Secrets of repositories are set, listed and removed. A value goes in and never comes out again."""

from dataclasses import asdict
from typing import Any

import structlog
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from farm.api.service import Farm, Owner, Service, Who
from farm.errors import Refused
from farm.secrets import Secrets

log = structlog.get_logger()
routes = APIRouter(prefix="/repositories/{repository:path}/secrets", tags=["secrets"])


class NewSecret(BaseModel):
    """A value, whether refs that are not protected are given it too, and who sets it."""

    value: str = Field(repr=False)
    unprotected: bool = False
    who: Who = None


@routes.put("/{name}", summary="Set a secret")
def put(repository: str, name: str, new: NewSecret, farm: Farm, owner: Owner) -> dict[str, Any]:
    """Take the place of an earlier value; steps that begin from now on are given the new one."""
    secrets, who = _secrets(farm, repository), owner.acting(new.who)
    kept = secrets.set(repository, name, new.value, unprotected=new.unprotected, who=who)
    log.info("secret.set", repository=repository, name=name, unprotected=new.unprotected, who=who)
    return asdict(kept)


@routes.get("", summary="List the secrets of a repository")
def list_(repository: str, farm: Farm, _: Owner) -> list[dict[str, Any]]:
    """By name, with who set each and when; no values."""
    return [asdict(secret) for secret in _secrets(farm, repository).list(repository)]


@routes.delete("/{name}", summary="Remove a secret")
def delete(repository: str, name: str, farm: Farm, owner: Owner, who: Who = None) -> dict[str, Any]:
    """Forget its value; a definition that names it is refused from now on."""
    secrets = _secrets(farm, repository)
    try:
        secrets.remove(repository, name)
    except Refused as refusal:
        raise HTTPException(404, str(refusal)) from refusal
    log.info("secret.removed", repository=repository, name=name, who=owner.acting(who))
    return {"repository": repository, "name": name}


def _secrets(farm: Service, repository: str) -> Secrets:
    """Return the secrets; the keys are those of this moment, for they may be changed."""
    farm.ledger.repository(repository)
    return Secrets(farm.record.redis, farm.settings.keys_now())
