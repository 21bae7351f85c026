"""What is said of a request that cannot be answered: always `{"detail": one sentence}` that says what to do next."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import structlog
from fastapi import Request
from fastapi.responses import JSONResponse, Response
from redis.exceptions import OutOfMemoryError, TimeoutError as RedisTimeoutError

from farm.api.stream import BEGIN, streamed

log = structlog.get_logger()
_TAKES = "docs/api.md and /openapi.json say what this request takes"
_THERE = "docs/api.md and /openapi.json list the requests that there are"
_WHERE = {"query": " in the query", "path": " in the path", "header": " in the headers"}
_BARE = ("Not Found", "Method Not Allowed")  # the framework's own words


async def refused(_: Request, error: Any) -> JSONResponse:
    """Answer a request that cannot be granted."""
    return JSONResponse({"detail": str(error)}, 422)


async def errored(request: Request, error: Any) -> JSONResponse:
    """Answer while a part of the farm is at fault, such as a registry that does not answer."""
    log.warning("request.errored", path=request.url.path, error=str(error))
    return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "2"})


async def invalid(_: Request, error: Any) -> JSONResponse:
    """Answer a request that has not the form that the API's description asks for."""
    return JSONResponse({"detail": f"{_mistake(error.errors()[0])}; {_TAKES}"}, 422)


async def nothing(request: Request, error: Any) -> JSONResponse:
    """Answer 404 and 405: with the route's own sentence, or where no route is there with one about that."""
    path = request.url.path[:200]
    sentence = str(error.detail)
    if sentence in _BARE:
        what = f"there is nothing at {path}" if error.status_code == 404 else f"{path} takes no {request.method}"  # noqa: PLR2004
        sentence = f"{what}; {_THERE}"
    return JSONResponse({"detail": sentence}, error.status_code, error.headers)


async def away(request: Request, error: Any) -> Response:
    """Answer while Redis is away or full; a stream begins and ends: after any other status no browser comes back."""
    log.warning("redis.away", path=request.url.path, error=str(error))
    full = isinstance(error, OutOfMemoryError)
    part = "Redis is full, give it more memory" if full else "Redis does not answer, see `farm up` or its log"
    if "text/event-stream" in request.headers.get("accept", ""):
        return streamed(_ended(part))
    late = isinstance(error, RedisTimeoutError) and request.method not in ("GET", "HEAD")
    rest = "what you asked for may still be done when it goes on; look, then ask again" if late else "ask again"
    return JSONResponse({"detail": f"{part}; {rest}"}, 503, {"Retry-After": "2"})


async def _ended(why: str) -> AsyncIterator[bytes]:
    yield BEGIN + f": {why}\n\n".encode()


def _mistake(found: Mapping[str, Any]) -> str:
    """Say in the API's words what pydantic has found."""
    place, *path = found["loc"]
    words = re.sub(r"^(Input|String|List|Dictionary) (?=should)", "", found["msg"]).removeprefix("Value error, ")
    if found["type"] == "json_invalid":
        return f"the body is no JSON ({found['ctx']['error']})"
    name = ".".join(map(str, path)) + _WHERE.get(place, "") if path else "the body"
    if found["type"] == "missing":
        return f"{name} is missing"
    if found["type"] == "model_attributes_type":
        return f"{name} should be a JSON object"
    return f"{name} {words}" if words.startswith("should") else f"{name}: {words}"
