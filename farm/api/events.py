"""What happens to pipelines, told while it happens, as server-sent events."""

from collections.abc import AsyncIterator
from contextlib import suppress
from time import monotonic
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from redis.exceptions import RedisError

from farm.api.feed import SILENCE, Feed
from farm.api.service import Farm, Reader, admit
from farm.api.stream import BEGIN, event, streamed

routes = APIRouter(tags=["events"])
Id = Annotated[str | None, Header(pattern=r"^[0-9]{1,18}(-[0-9]{1,18})?$")]


@routes.get("/events", summary="Changes of pipelines as server-sent events", response_class=StreamingResponse)
async def events(
    *,
    farm: Farm,
    reader: Reader,
    repository: str | None = None,
    pipeline: Annotated[int | None, Query(ge=1)] = None,
    last_event_id: Id = None,
) -> StreamingResponse:
    """Tell what happens from now on, or from behind `Last-Event-ID` on, which goes back two days.

    A token of one repository must name it.
    """
    admit(reader, repository)
    return streamed(_written(farm.feed, repository, pipeline, last_event_id))


async def _written(feed: Feed, repository: str | None, pipeline: int | None, after: str | None) -> AsyncIterator[bytes]:
    yield BEGIN
    said = monotonic()
    with suppress(RedisError):  # whoever watches comes back
        async for told in feed.watch(after):
            document = told[1] if told else {}
            if told and repository in (None, document["repository"]) and pipeline in (None, document["pipeline"]):
                yield event(told[0], document["kind"], document)
            elif told is None or monotonic() - said > SILENCE:  # no proxy shall hang up
                yield b": still here\n\n"
            else:
                continue
            said = monotonic()
