"""Which settings the dispatcher runs with: since when, and what its farm.yml has that it cannot take over."""

from typing import Any

from fastapi import APIRouter

from farm.api.service import Farm, Owner
from farm.settings.live import Live

routes = APIRouter(tags=["config"])


@routes.get("/config", summary="Whether the dispatcher runs with what its farm.yml says now")
def config(farm: Farm, _: Owner) -> dict[str, Any]:
    """`problem` is why the file is not used, or null; `waiting` names settings that only a new start takes over."""
    return (farm.live or Live(farm.settings)).document()
