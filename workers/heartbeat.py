"""What a worker's main process does beside its slots: say that it is there and whether it takes work, and sweep.

It runs no step.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic

import structlog
from redis.exceptions import RedisError

from farm.errors import Errored
from farm.record import WorkerInfo
from farm.settings.started import Started, of_worker
from workers import cleanup
from workers.engine import Owner
from workers.gate import Gate
from workers.machine import measure
from workers.tools import Tools

LOOK = 1.0  # seconds between two looks whether work can be done
BEAT = 3.0
SWEEP = 6.0
TRIM = 600.0

_logger = structlog.get_logger()


class Heartbeat:
    """Two threads from `start` to `stop`, so that an engine that hangs while it is swept does not silence the worker.

    A fault of Redis or the engine is logged when it begins, and outlived.
    `take` is told at every look whether the worker is to take work.
    """

    def __init__(
        self, tools: Tools, queues: Sequence[str], busy: Callable[[], Sequence[str]], take: Callable[[bool], None]
    ) -> None:
        self._tools = tools
        self._queues = tuple(queues)
        self._busy = busy
        self._take = take
        self._gate = Gate(tools.engine, tools.settings.home, tools.settings.disk_min)
        self._started = Started("worker", tools.settings, of_worker)
        self._closed: str | None = None
        self._held: str | None = None
        self._due = dict.fromkeys(("beat", "sweep", "trim"), 0.0)
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._stay, name="heartbeat", daemon=True),
            threading.Thread(target=self._repeat, args=(self._clean,), name="sweep", daemon=True),
        ]

    def start(self) -> None:
        """Begin with a beat and a sweep."""
        for thread in self._threads:
            thread.start()

    def cease(self) -> None:
        """Let both threads end by themselves, the first with a goodbye; fit for a signal handler."""
        self._stopped.set()

    def stop(self) -> None:
        """End after what is being done, or with the process."""
        self.cease()
        for thread in self._threads:
            thread.join(BEAT)

    def _stay(self) -> None:
        self._repeat(self._look)
        with suppress(RedisError):  # then it is shown as lost
            self._tools.record.leave(self._tools.settings.worker_name)

    def _repeat(self, work: Callable[[], None]) -> None:
        wrong: str | None = None
        while True:
            try:
                work()
                wrong = None
            except Exception as error:
                if wrong != str(error):
                    wrong = str(error)
                    _logger.warning(
                        "heartbeat", error=wrong, exc_info=not isinstance(error, (RedisError, Errored, OSError))
                    )
            if self._stopped.wait(LOOK):
                return

    def _look(self) -> None:
        """Open or close the gate, and say so, and what of farm.yml waits for a new start."""
        self._started.look()
        was, self._closed = self._why, self._gate.closed()
        try:
            if self._is_due("beat", BEAT) or was != self._why:
                self._held = self._beat()
        finally:
            self._take(self._why is None)
            if was != self._why:
                _logger.warning("gate", why=self._why or "takes work again")
                self._due |= {"sweep": 0.0, "trim": 0.0}  # it may be that this makes the room that is missing

    @property
    def _why(self) -> str | None:
        return self._held or self._closed

    def _clean(self) -> None:
        if self._is_due("sweep", SWEEP):
            cleanup.sweep(self._tools.engine, self._tools.settings.farm_id, self._alive)
        if self._is_due("trim", TRIM):
            cleanup.trim(self._tools.engine, self._tools.settings)

    def _is_due(self, what: str, seconds: float) -> bool:
        if monotonic() < self._due[what]:
            return False
        self._due[what] = monotonic() + seconds
        return True

    def _alive(self, owner: Owner) -> bool:
        return self._tools.record.holds(owner.pipeline, owner.step, owner.fence)

    def _beat(self) -> str | None:
        settings = self._tools.settings
        return self._tools.record.beat(
            WorkerInfo(
                name=settings.worker_name,
                host=socket.gethostname(),
                slots=settings.slots,
                labels=settings.labels,
                queues=self._queues,
                busy=tuple(self._busy()),
                closed=self._closed,
                machine=measure(self._gate.places()),
            )
        )
