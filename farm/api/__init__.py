"""The dispatcher's HTTP service: pushes come in, people and the command line ask how things stand, and act.

It decides nothing about pipelines. Every error is `{"detail": one sentence}` (farm/api/sentences.py).
"""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError

from farm.api import (
    artifacts,
    badges,
    config,
    events,
    logs,
    metrics,
    pipelines,
    pushes,
    releases,
    reporters,
    repositories,
    schedules,
    secrets,
    tokens,
    triggers,
    webhooks,
    workers,
)
from farm.api.body import BodyLimit
from farm.api.sentences import away, errored, invalid, nothing, refused
from farm.api.service import Farm, Service
from farm.errors import Errored, Refused

BODY = 16 << 20  # bytes of a request at most

__all__ = ["Service", "create", "described"]


def create(service: Service) -> FastAPI:
    """Return the application; it starts nothing."""
    api = _application()
    api.state.service = service
    return api


def described() -> dict[str, Any]:
    """Return the API as OpenAPI, as `/openapi.json` answers it."""
    return _application().openapi()


def _application() -> FastAPI:
    summary = "Takes pushes and tells how their pipelines stand."
    # No pages of FastAPI's: they load scripts from elsewhere to where one types a token. docs/api.md is for people.
    api = FastAPI(title="farm dispatcher", summary=summary, version="1", docs_url=None, redoc_url=None)
    for part in (
        pushes,
        pipelines,
        logs,
        events,
        badges,
        artifacts,
        triggers,
        schedules,
        releases,
        reporters,
        secrets,
        repositories,  # behind what is below a repository: a name may have slashes
        tokens,
        workers,
        config,
        metrics,
        webhooks,
    ):
        api.include_router(part.routes)
    api.add_api_route("/health", health, summary="Whether the dispatcher can work; 503 when it cannot", tags=["health"])
    api.add_middleware(BodyLimit, limit=BODY, streamed=("/artifacts",))
    api.add_exception_handler(Refused, refused)
    api.add_exception_handler(Errored, errored)
    api.add_exception_handler(RequestValidationError, invalid)
    api.add_exception_handler(RedisError, away)
    for status in (404, 405):
        api.add_exception_handler(status, nothing)
    return api


def health(farm: Farm) -> JSONResponse:
    """Ask Redis, which everything stands on."""
    try:
        alive = bool(farm.record.redis.ping())
    except RedisError:
        alive = False
    return JSONResponse({"redis": alive}, 200 if alive else 503)
