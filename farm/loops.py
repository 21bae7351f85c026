"""The work that a dispatcher repeats beside its HTTP service. It does none of it itself.

Several dispatchers share the work: a lease in Redis holds each loop. The lease only saves double work; whatever a
loop does may happen twice without harm.
"""

import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

import structlog

LEASE = 5.0  # seconds until another dispatcher takes over the loops of one that died
PAUSE = 1.0  # seconds before a loop that broke, or that another dispatcher holds, is tried again

log = structlog.get_logger()

Hold = Callable[[str, str, float], bool]
"""Takes or prolongs the lease (loop, holder, seconds); False while another has it."""


@dataclass(frozen=True, slots=True)
class Loop:
    """One piece of work to repeat; `work` returns after how many seconds it wants to be called again."""

    name: str
    work: Callable[[], float]
    shared: bool = True
    """Whether one dispatcher does it for all, so that a lease is needed."""


@dataclass(slots=True)
class Loops:
    """The threads that run the loops until they are stopped. An error in the work is logged once and ends nothing."""

    hold: Hold
    loops: Iterable[Loop]
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    lease: float = LEASE
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: set[threading.Thread] = field(default_factory=set)
    _held: set[str] = field(default_factory=set)
    _wanted: dict[str, Loop] = field(default_factory=dict)
    _turns: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    _changes: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def __post_init__(self) -> None:
        self._wanted = {loop.name: loop for loop in self.loops}

    @property
    def running(self) -> bool:
        """Whether they were started."""
        return bool(self._threads)

    def start(self) -> None:
        """Start one thread a loop, and one that keeps their leases while they are at work."""
        self._begin(threading.Thread(target=self._keep, name="leases", daemon=True))
        for loop in tuple(self._wanted.values()):
            self._begin(threading.Thread(target=self._run, args=(loop,), name=loop.name, daemon=True))

    def add(self, loop: Loop) -> None:
        """Run one more loop, at once if the others run."""
        self._wanted[loop.name] = loop
        if self.running:
            self._begin(threading.Thread(target=self._run, args=(loop,), name=loop.name, daemon=True))

    def drop(self, name: str) -> None:
        """Let a loop end after what it is at; another of its name, here or at another dispatcher, waits until then."""
        self._wanted.pop(name, None)

    def stop(self, timeout: float = 3.0) -> None:
        """Ask the loops to end and wait so many seconds for them; a call that hangs ends with the process."""
        self._stop.set()
        deadline = monotonic() + timeout
        for thread in tuple(self._threads):
            thread.join(max(0.0, deadline - monotonic()))

    def _begin(self, thread: threading.Thread) -> None:
        self._threads.add(thread)
        thread.start()

    def _run(self, loop: Loop) -> None:
        fault: str | None = None
        while self._wants(loop):
            pause = PAUSE
            try:
                with self._turns[loop.name]:
                    if self._wants(loop) and (not loop.shared or self._acquire(loop.name)):
                        pause = loop.work()
                fault = None
            except Exception as error:
                if repr(error) != fault:
                    fault = repr(error)
                    log.warning("loop.failed", loop=loop.name, error=str(error), exc_info=not _expected(error))
            self._stop.wait(pause)
        with self._turns[loop.name]:  # one of the same name that came after it may be at work
            self._release(loop.name)
        self._threads.discard(threading.current_thread())

    def _wants(self, loop: Loop) -> bool:
        return not self._stop.is_set() and self._wanted.get(loop.name) is loop

    def _acquire(self, name: str) -> bool:
        with self._changes[name]:
            return self._take(name)

    def _take(self, name: str) -> bool:
        mine = self.hold(name, self.owner, self.lease)
        (self._held.add if mine else self._held.discard)(name)
        return mine

    def _keep(self) -> None:
        while not self._stop.wait(self.lease / 3):
            for name in tuple(self._held):
                with suppress(Exception), self._changes[name]:  # the loop itself meets the same error and logs it
                    if name in self._held:  # else it was given up meanwhile
                        self._take(name)

    def _release(self, name: str) -> None:
        with self._changes[name]:
            if name in self._held:
                with suppress(Exception):  # it runs out by itself
                    self.hold(name, self.owner, 0.001)
            self._held.discard(name)


def _expected(error: Exception) -> bool:
    """Whether the message says it all: a part of the farm that does not answer, as opposed to a mistake in it."""
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in ("redis", "kombu", "farm")
