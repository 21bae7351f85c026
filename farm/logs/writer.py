"""A log's writer: takes a step's output from the stage's thread, sends it from one of its own. It never raises.

While Redis is away the buffer fills up to a limit; what comes beyond it is dropped and a word stands in its place.
"""

import threading
import time
import uuid
import zlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

from redis.exceptions import OutOfMemoryError, RedisError

from farm.logs.lines import Lines

INTERVAL = 0.1  # s that small output is collected
CHUNK = 64 << 10  # characters in one chunk
ROOM = 4 << 20  # characters that wait at most
PATIENCE = 5.0  # s that a stage which writes faster than Redis takes is held back
FAREWELL = 600.0  # s to send what is left at the end, as long as a commit waits for Redis too
FULL = 10.0  # the same where Redis has no room for it
HURRY = 2.0  # the same where somebody waits for this process to end

Send = Callable[[str, int, int, bytes], bool]  # (request, lines, size, compressed) -> whether the fence still counts


class LogWriter:
    """Takes output as bytes or lines; a context manager. Close it before the step is committed."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lines = Lines()
        self._state = threading.Condition()
        self._dropped = 0
        self._slow = self._mute = self._closing = False
        self._farewell, self._closed = FAREWELL, 0.0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Take some output as it comes."""
        with self._state:
            if self._mute or self._closing:
                return
            if self._lines.size > ROOM and not self._slow:
                self._slow = not self._state.wait_for(self._has_room, PATIENCE)
            if not self._has_room():
                self._dropped += len(data)
                return
            self._lines.feed(self._word() + data)
            self._state.notify_all()

    def line(self, text: str) -> None:
        """Take one line of the farm's own words."""
        self.write(text.encode(errors="replace") + b"\n")

    def hurry(self) -> None:
        """Let `close` take two seconds at most."""
        self._farewell = HURRY

    def close(self) -> None:
        """Send what is left; while Redis is away that takes ten minutes at most, ten seconds while it is full."""
        with self._state:
            if not self._closing:
                self._lines.feed(self._word(), last=True)
                self._closed = time.monotonic()
                self._closing = True
            self._state.notify_all()
        self._thread.join(self._farewell + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _has_room(self) -> bool:
        return self._mute or self._lines.size <= ROOM

    def _word(self) -> bytes:
        dropped, self._dropped = self._dropped, 0
        return b"\n--- %d bytes of output were dropped: Redis did not take them ---\n" % dropped if dropped else b""

    def _run(self) -> None:
        while True:
            with self._state:
                self._state.wait_for(lambda: self._lines.size or self._closing)
                self._state.wait_for(lambda: self._lines.size >= CHUNK or self._closing, INTERVAL)
                count, text = self._lines.take(CHUNK)
                self._state.notify_all()
                if not count:
                    return
            if not self._deliver(count, text.encode()):
                break
        with self._state:
            self._mute = True
            self._lines = Lines()
            self._state.notify_all()

    def _deliver(self, count: int, raw: bytes) -> bool:
        request, data, pause = uuid.uuid4().hex, zlib.compress(raw, 1), 0.05
        while True:
            try:
                counts = self._send(request, count, len(raw), data)
            except RedisError as error:
                patience = min(FULL, self._farewell) if isinstance(error, OutOfMemoryError) else self._farewell
                with self._state:
                    self._slow = True
                    if self._closing and time.monotonic() > self._closed + patience:
                        return False
                    self._state.wait_for(lambda: self._closing, pause)
                time.sleep(0.05)
                pause = min(pause * 2, 1.0)
            else:
                self._slow = False
                return counts
