"""A bound on the size of what is sent to the HTTP service. It understands none of it."""

from collections.abc import Collection

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Answers 413 to a request whose body is longer than `limit` bytes, declared or not.

    Those to the paths in `streamed` are passed on as they come; they have a bound of their own.
    """

    def __init__(self, app: ASGIApp, *, limit: int, streamed: Collection[str] = ()) -> None:
        self._app = app
        self._streamed = streamed
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI's own
        if scope["type"] != "http" or (scope["path"] in self._streamed and scope["method"] == "PUT"):
            await self._app(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        body, more = bytearray(), not (declared.isdigit() and int(declared) > self._limit)
        too_long = not more
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            too_long = len(body) > self._limit
            more = message.get("more_body", False) and not too_long
        if too_long:
            sentence = f"the request is longer than {self._limit >> 20} MiB; send fewer refs at a time"
            await JSONResponse({"detail": sentence}, 413, {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, _replayed(bytes(body), receive), send)


def _replayed(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
