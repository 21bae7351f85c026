"""What a worker's main process does beside its slots: say that it is there, and sweep the engine. It runs no step."""

import socket
import threading
from collections.abc import Callable, Sequence
from time import monotonic

import structlog
from redis.exceptions import RedisError

from farm.errors import Errored
from farm.record import WorkerInfo
from workers import cleanup
from workers.engine import Owner
from workers.tools import Tools

BEAT = 3.0  # seconds
SWEEP = 6.0

_logger = structlog.get_logger()


class Heartbeat:
    """A thread from `start` to `stop`; a fault of Redis or the engine is logged when it begins, and outlived."""

    def __init__(self, tools: Tools, queues: Sequence[str], busy: Callable[[], Sequence[str]]) -> None:
        self._tools = tools
        self._queues = tuple(queues)
        self._busy = busy
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._wrong: str | None = None

    def start(self) -> None:
        """Begin with a beat and a sweep."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done."""
        self._stopped.set()
        self._thread.join(BEAT)

    def _run(self) -> None:
        sweep = 0.0
        while True:
            try:
                self._beat()
                if monotonic() >= sweep:
                    cleanup.sweep(self._tools.engine, self._tools.settings.farm_id, self._alive)
                    sweep = monotonic() + SWEEP
                self._wrong = None
            except (RedisError, Errored) as error:
                if self._wrong != str(error):
                    self._wrong = str(error)
                    _logger.warning("heartbeat", error=self._wrong)
            if self._stopped.wait(BEAT):
                return

    def _alive(self, owner: Owner) -> bool:
        return self._tools.record.holds(owner.pipeline, owner.step, owner.fence)

    def _beat(self) -> None:
        settings = self._tools.settings
        self._tools.record.beat(
            WorkerInfo(
                name=settings.worker_name,
                host=socket.gethostname(),
                slots=settings.slots,
                labels=settings.labels,
                queues=self._queues,
                busy=tuple(self._busy()),
            )
        )
