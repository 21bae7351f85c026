"""A blocking source, read in a thread so that its reader can stop at any time. It knows nothing of what flows."""

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import TypeVar

from workers.engine import Check

T = TypeVar("T")

BEAT = 0.25  # seconds between two calls of check; the promise is half a second
_ROOM = 64  # items that wait at most: a fast source waits for a slow reader, memory does not grow


def watched(
    source: Generator[T], *, check: Check, stop: Callable[[], None], deadline: float | None = None
) -> Iterator[T]:
    """Give what the source gives and call check meanwhile; when check raises or the deadline is past, stop the source.

    `stop` must make a source that blocks return, from another thread. Errors of the source come out here.
    """
    items: queue.Queue[T | _End] = queue.Queue(_ROOM)
    dropped = threading.Event()
    threading.Thread(target=_feed, args=(source, items, dropped), name="stream", daemon=True).start()
    beat = time.monotonic()
    try:
        while True:
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                raise TimeoutError
            if now >= beat:
                check()
                beat = time.monotonic() + BEAT
            wait = max(0.0, min(beat, deadline or beat) - time.monotonic())
            try:
                item = items.get(timeout=wait)
            except queue.Empty:
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        dropped.set()
        stop()


class _End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def _feed(source: Generator[T], items: "queue.Queue[T | _End]", dropped: threading.Event) -> None:
    end = _End()
    try:
        for item in source:
            if not _put(items, item, dropped):
                break
    except BaseException as error:  # noqa: BLE001  it is raised again in the reader's thread
        end = _End(error)
    with suppress(Exception):
        source.close()
    _put(items, end, dropped)


def _put(items: "queue.Queue[T | _End]", item: T | _End, dropped: threading.Event) -> bool:
    while not dropped.is_set():
        with suppress(queue.Full):
            items.put(item, timeout=BEAT)
            return True
    return False
