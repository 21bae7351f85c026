"""Which settings the dispatcher runs with: since when, and what its farm.yml has that it cannot take over."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter

from farm.api.service import Farm, Owner
from farm.artifacts import Store
from farm.settings.live import Live

_PATIENCE = 3.0  # seconds
_ASKING = ThreadPoolExecutor(1, thread_name_prefix="artifacts")  # of those that hang there is one, whoever asks

routes = APIRouter(tags=["config"])


@routes.get("/config", summary="Whether the dispatcher runs with what its farm.yml says now")
def config(farm: Farm, _: Owner) -> dict[str, Any]:
    """`problem` is why the file is not used, or null; `waiting` names settings that only a new start takes over.

    `artifacts` is why they cannot be kept where the dispatcher keeps them, or null.
    """
    return {**(farm.live or Live(farm.settings)).document(), "artifacts": _artifacts(farm.artifacts)}


def _artifacts(store: Store) -> str | None:
    """Ask where artifacts are kept, for so long as whoever asks has patience."""
    asked = _ASKING.submit(store.trouble)
    try:
        return asked.result(_PATIENCE)
    except TimeoutError:
        asked.cancel()
        return f"{store.url} has not answered for {_PATIENCE:.0f} s; see `artifacts` in farm.yml"
