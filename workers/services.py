"""The services of a job: started side by side on the job's network, and awaited. Their removal is the caller's.

A service is asked whether it is ready from here, much more often than the engine would run a health check: a port by a
TCP connection from this host to the container every 10 ms, a command inside it every 50 ms.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress

from farm.definition import Service
from farm.errors import Errored, Failed, LeaseLost
from workers.engine import Check, ContainerSpec, Engine
from workers.stream import BEAT
from workers.workspace import Workspace

PORT_EVERY, COMMAND_EVERY, STATE_EVERY = 0.01, 0.05, 0.1  # seconds
_PROBE = 5.0  # seconds that one question may take
_LINES = 50


def start(
    work: Workspace,
    services: Mapping[str, Service],
    network: str,
    *,
    shared: bool = False,
    begun: Mapping[str, str] | None = None,
) -> Mapping[str, str]:
    """Start services and return their containers by name once all are ready.

    Shared: all live in the network of the first, so that each reaches the others on localhost, and under the names too.
    Begun are containers that run already. One that needs others starts when those are ready.

    Failed: one has ended or did not get ready in its time; its last lines are in the log then.
    """
    if not services:
        return {}
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise LeaseLost("the other services are given up")

    ways = [_Coming(work, name, service, network, check) for name, service in services.items()]
    named = {way.name: way for way in ways}
    for way in ways:
        way.container = (begun or {}).get(way.name)
        way.needs = [named[need] for need in services[way.name].needs]
    if shared:
        ways[0].hold(ways[1:], work.check)
    with ThreadPoolExecutor(len(services), thread_name_prefix="service") as pool:
        coming = {pool.submit(way): way.name for way in ways}
        try:
            return _await(work, coming)
        finally:
            stop.set()


def begin(work: Workspace, services: Mapping[str, Service], network: str, *, shared: bool) -> Mapping[str, str]:
    """Start the services that need no other, return their containers by name, and do not wait until one is ready."""
    if not services:
        return {}
    ways = [_Coming(work, name, service, network, work.check) for name, service in services.items()]
    if shared:
        ways[0].hold(ways[1:], work.check)
    with ThreadPoolExecutor(len(services), thread_name_prefix="service") as pool:
        free = [way for way in ways if not services[way.name].needs]
        return {way.name: container for way, container in zip(free, pool.map(_Coming.begin, free), strict=True)}


def fallen(work: Workspace, containers: Mapping[str, str]) -> None:
    """Write into the log which services have ended although nobody asked them to, with their last lines."""
    for name, container in containers.items():
        state = work.engine.state(container)
        if state.exit is not None:
            _show(work, name, container, f"service {name} has ended with exit code {state.exit.code}")


def _await(work: Workspace, coming: Mapping[Future[str], str]) -> Mapping[str, str]:
    begun, ready = time.monotonic(), dict[str, str]()
    waiting = set(coming)
    while waiting:
        done, waiting = wait(waiting, timeout=BEAT, return_when="FIRST_COMPLETED")
        work.check()
        for future in done:
            name = coming[future]
            try:
                ready[name] = future.result()
            except _Lost as lost:
                _show(work, name, lost.container, str(lost))
                raise Unready(str(lost)) from None
            work.log.line(f"service {name} is ready after {time.monotonic() - begun:.2f} s")
    return ready


def _show(work: Workspace, name: str, container: str, sentence: str) -> None:
    work.log.line(f"{sentence}; the last lines of {name}:")
    with suppress(Errored):
        work.log.write(work.engine.tail(container, _LINES))
    work.log.line(f"--- end of {name} ---")


class Unready(Failed):
    """A service has ended, or did not get ready in its time."""


class _Lost(Failed):
    """A service that will not serve."""

    def __init__(self, sentence: str, container: str) -> None:
        super().__init__(sentence)
        self.container = container


class _Coming:
    """One service on its way, in a thread of its own."""

    def __init__(self, work: Workspace, name: str, service: Service, network: str, check: Callable[[], None]) -> None:
        self.name = name
        self._work = work
        self._engine: Engine = work.engine
        self._service = service
        self._network = network
        self._names: Sequence[str] = (name,)
        self.container: str | None = None
        self._holder: str | None = None
        self._check = check
        self.needs: Sequence[_Coming] = ()
        self._ready = threading.Event()

    def hold(self, others: Sequence["_Coming"], check: Check) -> None:
        """Start now and let the others live in this one's network."""
        self._names = (self.name, *(other.name for other in others))
        container = self.begin(check)
        for other in others:
            other._holder = container  # noqa: SLF001 - of the same class
            other._network, other._names = f"container:{container}", ()  # noqa: SLF001

    def __call__(self) -> str:
        for other in self.needs:
            while not other._ready.wait(BEAT):  # noqa: SLF001 - of the same class
                self._check()
        container = self.begin()
        self._until_ready(container)
        self._ready.set()
        return container

    def begin(self, check: Check | None = None) -> str:
        """Start it, unless it runs already, and return its container."""
        if self.container is None:
            self.container = self._start(check or self._check)
        return self.container

    def _start(self, check: Check) -> str:
        service = self._service
        self._engine.pull(service.image, check=check)
        spec = ContainerSpec(
            owner=self._work.owner,
            image=service.image,
            command=service.command,
            env=service.env,
            network=self._network,
            aliases=self._names,
            tmpfs=service.tmpfs,
            limits=self._work.granted(service.memory),
            word=self.name,
        )
        container = self._engine.start(spec)
        self._work.teardown.callback(self._engine.remove, "container", container)
        return container

    def _until_ready(self, container: str) -> None:
        end = time.monotonic() + self._service.timeout
        asked, pause = self._question(container, end)
        looked = 0.0
        while True:
            self._check()
            if time.monotonic() >= looked + STATE_EVERY:
                self._must_run(container)
                looked = time.monotonic()
            if asked():
                return
            if time.monotonic() >= end:
                raise _Lost(f"service {self.name} did not get ready within {self._service.timeout:g} s", container)
            time.sleep(pause)

    def _question(self, container: str, end: float) -> tuple[Callable[[], bool], float]:
        ready = self._service.ready
        if ready.port is not None:
            address, port = self._engine.state(self._holder or container).address, ready.port
            return (lambda: address is not None and _connects(address, port)), PORT_EVERY
        command = ("sh", "-ec", ready.command) if ready.command is not None else self._healthcheck()
        if command is None:
            return (lambda: True), 0.0

        def asked() -> bool:
            try:
                deadline = min(end, time.monotonic() + _PROBE)
                return self._engine.exec(container, command, check=self._check, deadline=deadline).code == 0
            except TimeoutError:
                return False
            except Errored:
                self._must_run(container)  # a command cannot run in what has ended
                raise

        return asked, COMMAND_EVERY

    def _healthcheck(self) -> Sequence[str] | None:
        image = self._engine.image(self._service.image)
        return image.healthcheck if image else None

    def _must_run(self, container: str) -> None:
        ended = self._engine.state(container).exit
        if ended is not None:
            why = "ran out of memory" if ended.oom else f"ended with exit code {ended.code}"
            raise _Lost(f"service {self.name} {why} before it was ready", container)


def _connects(address: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((address, port), timeout=0.5):
        return True
    return False
