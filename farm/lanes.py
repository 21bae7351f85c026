"""Threads for work that must be done one after the other within a lane, and side by side between lanes.

It knows nothing about the work. What is under way is not taken a second time, whoever asks.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Lanes(Generic[T]):
    """Runs work in the order of its lane, on at most `size` threads; a lane that hangs holds up only itself."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Future[T]] = {}
        self._lanes: dict[str, deque[tuple[Hashable, Future[T], Callable[[], T]]]] = {}
        self._idle: deque[str] = deque()  # lanes with work that no thread is at
        self._threads = 0
        self._closed = False

    def submit(self, lane: str, key: Hashable, work: Callable[[], T]) -> "Future[T]":
        """Put work into a lane and return its future, or that of the work of this key which is not done yet."""
        with self._lock:
            if found := self._under_way.get(key):
                return found
            future: Future[T] = Future()
            if self._closed:
                future.cancel()
                return future
            self._under_way[key] = future
            if lane not in self._lanes:
                self._lanes[lane] = deque()
                self._idle.append(lane)
            self._lanes[lane].append((key, future, work))
            if self._threads < self._size and self._idle:
                self._threads += 1
                threading.Thread(target=self._serve, name="lane", daemon=True).start()
            return future

    def close(self) -> None:
        """Take no more work and drop what has not begun; what is under way ends by itself or with the process."""
        with self._lock:
            self._closed = True
            for lane in self._lanes.values():
                for _, future, _ in lane:
                    future.cancel()
                lane.clear()

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._idle:
                    self._threads -= 1
                    return
                name = self._idle.popleft()
                lane = self._lanes[name]
                if not lane:
                    del self._lanes[name]
                    continue
                key, future, work = lane.popleft()
            if future.set_running_or_notify_cancel():
                self._do(key, future, work)
            else:
                self._done(key)
            with self._lock:
                self._idle.append(name)

    def _do(self, key: Hashable, future: "Future[T]", work: Callable[[], T]) -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - whoever waits for the future gets it
            self._done(key)
            future.set_exception(error)
        else:
            self._done(key)
            future.set_result(result)

    def _done(self, key: Hashable) -> None:
        with self._lock:
            self._under_way.pop(key, None)
