"""Logs are read: a page behind a cursor, the whole as text, or line by line while they are written."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse
from redis.exceptions import RedisError

from farm.api.feed import SILENCE
from farm.api.service import LOG_LOOK, LONGEST_WAIT, Farm, Reader, Service, seen
from farm.api.stream import BEGIN, event, streamed
from farm.errors import Refused
from farm.logs import Logs
from farm.pipeline import Pipeline, Status

routes = APIRouter(tags=["pipelines"])


@dataclass(frozen=True, slots=True)
class Look:
    """What is new in a log, as it is sent, and where the next look begins."""

    events: bytes
    cursor: str
    complete: bool
    dropped: int

    @property
    def ends(self) -> bool:
        """Whether nothing is left to be told."""
        return self.complete and not self.events


@routes.get("/pipelines/{number}/logs/{step:path}", summary="A step's log, from a cursor on, waiting for more if asked")
async def read_log(
    *,
    number: int,
    step: str,
    farm: Farm,
    reader: Reader,
    accept: Annotated[str, Header()] = "",
    last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,18}$")] = None,
    after: Annotated[str, Query(pattern=r"^[0-9-]{1,40}$")] = "0",
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="seconds")] = 0.0,
    raw: bool = False,
) -> Any:
    """Give lines, or with `raw` the whole log so far as text, escapes and all; a stranger's data.

    With `Accept: text/event-stream` the lines come as they are written, as events `lines`, and at the end `complete`;
    `Last-Event-ID` is a cursor, too. 204 tells a watcher that has all of it not to come back.
    """
    found = await run_in_threadpool(seen, farm, reader, number)
    if step not in _statuses(found):
        raise HTTPException(404, f"#{number} has no step {step!r}; it has {', '.join(_statuses(found)) or 'none'}")
    if raw:
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return StreamingResponse(_text(farm.logs, number, step), media_type="text/plain", headers=headers)
    if "text/event-stream" in accept:
        after = last_event_id or after
        if (await _look(farm, number, step, after)).ends:
            return Response(status_code=204)
        return streamed(_followed(farm, number, step, after))
    deadline = asyncio.get_running_loop().time() + wait
    while True:
        over = _statuses(found)[step].final
        page = await run_in_threadpool(farm.logs.read, number, step, after)
        complete = page.complete or (over and not page.chunks)
        if page.chunks or complete or asyncio.get_running_loop().time() >= deadline:
            return asdict(page) | {"complete": complete}
        await asyncio.sleep(LOG_LOOK)
        found = await run_in_threadpool(farm.record.pipeline, number)


async def _followed(farm: Service, number: int, step: str, after: str) -> AsyncIterator[bytes]:
    yield BEGIN
    silent = 0.0
    with suppress(RedisError, Refused):  # whoever watches comes back; a pipeline that is forgotten answers 404 then
        while True:
            look = await farm.looks.ask((number, step, after), partial(_look, farm, number, step, after))
            after = look.cursor
            if look.events:
                silent = 0.0
                yield look.events
                continue
            if look.complete:
                yield event(after, "complete", {"dropped": look.dropped})
                return
            silent += LOG_LOOK
            if silent > SILENCE:
                silent = 0.0
                yield b": still here\n\n"
            await asyncio.sleep(LOG_LOOK)


async def _look(farm: Service, number: int, step: str, after: str) -> Look:
    found = await run_in_threadpool(farm.record.pipeline, number)
    over = _statuses(found)[step].final
    page = await run_in_threadpool(farm.logs.read, number, step, after)
    lines = ({"line": chunk.line, "time": chunk.time, "text": chunk.text} for chunk in page.chunks)
    told = b"".join(event(chunk.cursor, "lines", row) for chunk, row in zip(page.chunks, lines, strict=True))
    return Look(told, page.cursor, page.complete or (over and not page.chunks), page.dropped)


def _text(logs: Logs, number: int, step: str) -> Iterator[bytes]:
    for piece in logs.text(number, step):
        yield piece.encode(errors="replace")


def _statuses(found: Pipeline) -> dict[str, Status]:
    return {job.name: job.status for job in found.jobs}
