"""Threads for work that must be done one after the other within a lane, and side by side between lanes.

It knows nothing about the work. What is under way is not taken a second time, whoever asks.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Lanes(Generic[T]):
    """Runs work in the order of its lane, on at most `size` threads for each group of lanes.

    A lane that hangs holds up only itself, and `size` of them only their group.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Future[T]] = {}
        self._lanes: dict[str, deque[tuple[Hashable, Future[T], Callable[[], T]]]] = {}
        self._idle: dict[str, deque[str]] = {}  # group: its lanes with work that no thread is at
        self._threads: Counter[str] = Counter()
        self._closed = False

    def submit(self, lane: str, key: Hashable, work: Callable[[], T], group: str = "") -> "Future[T]":
        """Put work into a lane and return its future, or that of the work of this key which is not done yet.

        A lane is always of the same group.
        """
        with self._lock:
            if found := self._under_way.get(key):
                return found
            future: Future[T] = Future()
            if self._closed:
                future.cancel()
                return future
            self._under_way[key] = future
            idle = self._idle.setdefault(group, deque())
            if lane not in self._lanes:
                self._lanes[lane] = deque()
                idle.append(lane)
            self._lanes[lane].append((key, future, work))
            if self._threads[group] < self._size and idle:
                self._threads[group] += 1
                threading.Thread(target=self._serve, args=(group,), name="lane", daemon=True).start()
            return future

    def close(self) -> None:
        """Take no more work and drop what has not begun; what is under way ends by itself or with the process."""
        with self._lock:
            self._closed = True
            for lane in self._lanes.values():
                for _, future, _ in lane:
                    future.cancel()
                lane.clear()

    def _serve(self, group: str) -> None:
        idle = self._idle[group]
        while True:
            with self._lock:
                if not idle:
                    self._threads[group] -= 1
                    return
                name = idle.popleft()
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
                idle.append(name)

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
