"""Server-sent events: how one is written, and one question for all who watch the same. It knows not what is told.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any

from fastapi.responses import StreamingResponse

BEGIN = b"retry: 2000\n\n"  # milliseconds after which a watcher that lost us comes back
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event(identity: str, kind: str, document: Any) -> bytes:
    """Return one event as it is sent; JSON holds no line breaks."""
    return f"id: {identity}\nevent: {kind}\ndata: {json.dumps(document)}\n\n".encode()


def streamed(events: AsyncIterator[bytes]) -> StreamingResponse:
    """Return the answer that sends events as they come."""
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


class Shared:
    """Asks once for all who ask the same within `seconds`: a hundred watch one log for the price of one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._asked: dict[Any, tuple[float, asyncio.Future[Any]]] = {}

    async def ask(self, key: Any, work: Callable[[], Awaitable[Any]]) -> Any:
        """Return what `work` gives, or gave to another lately."""
        now = monotonic()
        for old, (until, asked) in tuple(self._asked.items()):
            if asked.done() and (until < now or _failed(asked)):
                del self._asked[old]
        if key not in self._asked:
            self._asked[key] = (now + self._seconds, asyncio.ensure_future(work()))
        return await asyncio.shield(self._asked[key][1])


def _failed(asked: asyncio.Future[Any]) -> bool:
    """Return whether nobody else is to be told the same: the next one may be answered."""
    return asked.cancelled() or asked.exception() is not None
