"""The outbox for all who watch: one reader of Redis hands each event to every watcher. It tells reporters nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from farm.reporters.standing import OUTBOX

SILENCE = 15.0  # seconds after which a watcher is told that nothing happens
BEHIND = 1000  # events for which one watcher may be behind; then it is let go and comes back with its last id
BATCH = 500
BLOCK = 1000  # milliseconds
PAUSE = 1.0  # seconds before Redis is asked again when it was away

log = structlog.get_logger()
Told = tuple[str, dict[str, Any]]


class Feed:
    """Reads the outbox while somebody watches, and hands each event to all of them; lives in one event loop."""

    def __init__(self, url: str) -> None:
        self._redis: Any = Redis.from_url(url, decode_responses=True, socket_timeout=None, socket_connect_timeout=2)
        self._watchers: set[asyncio.Queue[Told | None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def watch(self, after: str | None) -> AsyncIterator[Told | None]:
        """Give the events behind an id, or those from now on; None where nothing happened for a while."""
        queue: asyncio.Queue[Told | None] = asyncio.Queue(BEHIND)
        self._watchers.add(queue)
        try:
            now = await self._now()  # what comes from here on is in the queue, so that nothing falls between
            last = now if after is None else after
            if self._task is None:
                self._task = asyncio.create_task(self._read(now))
            async for told in self._past(last):
                last = told[0]
                yield told
            while queue in self._watchers or not queue.empty():
                try:
                    told_now = await asyncio.wait_for(queue.get(), SILENCE)
                except TimeoutError:
                    yield None
                    continue
                if told_now and _order(told_now[0]) > _order(last):
                    last = told_now[0]
                    yield told_now
        finally:
            self._watchers.discard(queue)

    async def _past(self, after: str) -> AsyncIterator[Told]:
        while rows := await self._redis.xrange(OUTBOX, f"({after}", count=BATCH):
            for told in await self._told(rows):
                yield told
            after = rows[-1][0]

    async def _read(self, after: str) -> None:
        try:
            while self._watchers:
                after = await self._next(after)
        finally:
            self._task = None  # who watches from now on begins another
            await self._redis.connection_pool.disconnect(inuse_connections=False)

    async def _next(self, after: str) -> str:
        try:
            answer = await self._redis.xread({OUTBOX: after}, count=BATCH, block=BLOCK)
            for _, rows in answer or ():
                for told in await self._told(rows):
                    self._hand(told)
                after = rows[-1][0]
        except RedisError as error:
            log.warning("events.away", error=str(error))
            await asyncio.sleep(PAUSE)
        return after

    def _hand(self, told: Told) -> None:
        for queue in tuple(self._watchers):
            try:
                queue.put_nowait(told)
            except asyncio.QueueFull:
                self._watchers.discard(queue)

    async def _told(self, rows: list[tuple[str, Mapping[str, str]]]) -> list[Told]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for _, fields in rows:
                pipe.hmget(f"farm:pipeline:{fields.get('pipeline', '')}", "repository", "ref")
            places = await pipe.execute()
        return [
            (identity, {**fields, "pipeline": int(fields["pipeline"]), "repository": repository, "ref": ref})
            for (identity, fields), (repository, ref) in zip(rows, places, strict=True)
            if repository
        ]

    async def _now(self) -> str:
        rows = await self._redis.xrevrange(OUTBOX, count=1)
        return rows[0][0] if rows else "0-0"


def _order(identity: str) -> tuple[int, int]:
    milliseconds, _, sequence = identity.partition("-")
    return int(milliseconds), int(sequence or 0)
