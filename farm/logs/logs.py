"""All logs of the farm: who may write, what a reader gets, what is packed when a step is over."""

import re
from collections.abc import Iterator
from typing import Any

import redis

from farm.errors import Refused
from farm.logs.pages import LogChunk, LogPage, Packed
from farm.logs.writer import LogWriter
from farm.record.scripts import Scripts

PAGE = 32  # entries that are fetched at once
PACK = 256 << 10  # bytes, unpacked, that a packed entry holds at most


class Logs:
    """Writes and reads the logs of all steps within the caps of each and the budget of all, in bytes."""

    def __init__(self, client: Any, *, head: int = 8 << 20, tail: int = 8 << 20, budget: int = 512 << 20) -> None:
        self.head, self.tail, self.budget = head, tail, budget
        pool = client.connection_pool
        options = {**pool.connection_kwargs, "decode_responses": False}  # chunks are bytes
        self.redis = redis.Redis(
            connection_pool=redis.ConnectionPool(connection_class=pool.connection_class, **options)
        )
        self._scripts = Scripts(self.redis)

    def close(self) -> None:
        """Close the connections."""
        self.redis.connection_pool.disconnect()

    def writer(self, number: int, step: str, fence: int) -> LogWriter:
        """Return a writer that is heard as long as the fence is the step's newest."""

        def send(request: str, lines: int, size: int, data: bytes) -> bool:
            answer = self._scripts.run(
                "log_append", number, step, fence, request, lines, size, data, self.head, self.tail, self.budget
            )
            return bool(answer)

        return LogWriter(send)

    def read(self, number: int, step: str, after: str = "0", limit: int = 1 << 20) -> LogPage:
        """Return the lines behind a cursor, about `limit` bytes; complete once the step is over and all is read."""
        if not re.fullmatch(r"[0-9]{1,18}", after):  # longer ones are beyond what Redis takes for an id
            raise Refused(f"{after!r} is no place in a log; send the cursor of an earlier answer, or 0")
        chunks: list[LogChunk] = []
        size = 0
        while True:
            over, dropped, entries = self._scripts.run("log_read", number, step, after, PAGE)
            for entry in entries:
                packed = Packed.read(entry)
                chunks += packed.chunks(int(after))
                after = str(packed.last)
                size += packed.size
                if size >= limit:
                    return LogPage(chunks, after, complete=False, dropped=int(dropped))
            if len(entries) < PAGE:
                return LogPage(chunks, after, complete=bool(over), dropped=int(dropped))

    def text(self, number: int, step: str) -> Iterator[str]:
        """Give the log as it is now in pieces; a word stands where lines are missing."""
        after, line, before = "0", 1, -1
        while int(after) != before:
            before = int(after)
            page = self.read(number, step, after)
            for chunk in page.chunks:
                if chunk.line > line:
                    yield f"--- {chunk.line - line} lines were left out here ---\n"
                line = int(chunk.cursor) + 1
                yield chunk.text
            after = page.cursor
            if not page.chunks and line == 1 and page.dropped:
                yield f"--- {page.dropped} lines were removed to save room ---\n"

    def complete(self, number: int, step: str) -> None:
        """Pack the small chunks of a finished log into few; cursors stay good. A log that still grows is left alone."""
        packed: list[Packed] = []
        group: list[LogChunk] = []
        size = 0
        for chunk in self._all(number, step):
            if group and (size > PACK or chunk.line != int(group[-1].cursor) + 1):
                packed.append(Packed.of(group))
                group, size = [], 0
            group.append(chunk)
            size += len(chunk.text)
        if not group:
            return
        packed.append(Packed.of(group))
        rows = [part for entry in packed for part in (entry.first, entry.last, entry.size, entry.marks, entry.data)]
        self._scripts.run("log_pack", number, step, group[-1].cursor, *rows)

    def _all(self, number: int, step: str) -> Iterator[LogChunk]:
        after = "0"
        while True:
            page = self.read(number, step, after)
            if page.cursor == after:
                return
            yield from page.chunks
            after = page.cursor
