"""What may go wrong on an estate, each as a function that does it, waits, and mends it. It judges nothing.

A fault says of which worker it hits, or of none. What it leaves running is as good as new.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from redis import Redis

from tests.hosts import engines
from tests.hosts.estate import LEASE, Estate
from tests.hosts.machines import Machine, until

QUEUES = ("build", "test", "release")
Fault = Callable[[Estate, random.Random], None]
BuilderFault = Callable[[Estate, Machine, random.Random], None]


def kill_worker(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """SIGKILL to the worker and all its slots."""
    machine.kill("worker")
    time.sleep(dice.uniform(0, 3))
    farm.start_worker(machine)


def kill_slot(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """SIGKILL to one process of the worker's pool."""
    del farm
    parent = inner(machine)
    slots = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
    if slots:
        machine.run(["sh", "-c", f"kill -KILL {translated(dice.choice(slots))} 2>/dev/null || true"])


def end_worker(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """SIGTERM to the worker, as systemd would; then a new one."""
    del dice
    machine.run(["sh", "-c", f"kill -TERM {translated(str(inner(machine)))}"])
    machine.processes.pop("worker").wait(timeout=60)
    farm.start_worker(machine)


def freeze_worker(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """SIGSTOP to the worker for longer than a lease; its containers go on."""
    del farm
    machine.signal("worker", signal.SIGSTOP)
    pids = descendants(inner(machine))
    for pid in pids:
        stop(pid, signal.SIGSTOP)
    time.sleep(LEASE * dice.uniform(1.2, 2))
    for pid in pids:
        stop(pid, signal.SIGCONT)
    machine.signal("worker", signal.SIGCONT)


def freeze_host(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """Pause everything on a host for up to two leases."""
    del farm
    machine.freeze()
    time.sleep(LEASE * dice.uniform(0.3, 2))
    machine.thaw()


def cut_host(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """Pull the network cable for up to two leases."""
    del farm
    machine.cut()
    time.sleep(LEASE * dice.uniform(0.3, 2))
    machine.heal()


def kill_engine(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """SIGKILL to the Docker Engine, and a new start."""
    machine.kill("engine")
    time.sleep(dice.uniform(0, 2))
    engines.start(machine, farm.registry)


def lose_host(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """Pull the plug of a host for good; another takes its place."""
    del dice
    del farm.builders[machine.name]
    machine.power_off()
    farm.builder(f"b{len(farm.net.machines)}")


def kill_redis(farm: Estate, dice: random.Random) -> None:
    """SIGKILL to Redis; it comes back from its append-only file."""
    farm.centre.kill("redis")
    time.sleep(dice.uniform(0.5, 8))
    farm.start_redis()


def freeze_redis(farm: Estate, dice: random.Random) -> None:
    """Redis stands still, so that everybody looks dead to it."""
    farm.centre.signal("redis", signal.SIGSTOP)
    pids = descendants(inner(farm.centre, "redis"))
    for pid in pids:
        stop(pid, signal.SIGSTOP)
    time.sleep(LEASE * dice.uniform(0.3, 1.5))
    for pid in pids:
        stop(pid, signal.SIGCONT)
    farm.centre.signal("redis", signal.SIGCONT)


def kill_registry(farm: Estate, dice: random.Random) -> None:
    """SIGKILL to the registry, and a new start."""
    farm.centre.kill("registry")
    time.sleep(dice.uniform(0.5, 5))
    farm.start_registry()


def kill_dispatcher(farm: Estate, dice: random.Random) -> None:
    """SIGKILL to the dispatcher, and a new start."""
    farm.centre.kill("dispatcher")
    time.sleep(dice.uniform(0, 5))
    farm.start_dispatcher()


def reset_connections(farm: Estate, dice: random.Random) -> None:
    """Reset every connection to Redis at once."""
    del dice
    with farm.redis() as connection:
        connection.execute_command("CLIENT", "KILL", "TYPE", "normal")
        connection.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


def lose_messages(farm: Estate, dice: random.Random) -> None:
    """Delete every queue: all wake-ups that nobody has taken are gone."""
    del dice
    with farm.redis() as connection:
        connection.delete(*messages(connection))


def double_messages(farm: Estate, dice: random.Random) -> None:
    """Put every wake-up that waits into its queue once more."""
    del dice
    with farm.redis() as connection:
        for queue in messages(connection):
            for message in connection.lrange(queue, 0, -1):
                connection.lpush(queue, message)


BUILDER_FAULTS: Mapping[str, tuple[BuilderFault, int]] = {
    "worker killed": (kill_worker, 4),
    "slot killed": (kill_slot, 4),
    "worker told to end": (end_worker, 2),
    "worker frozen past its lease": (freeze_worker, 3),
    "host frozen": (freeze_host, 2),
    "host cut off": (cut_host, 3),
    "engine killed": (kill_engine, 3),
    "host lost for good": (lose_host, 1),
}
CENTRE_FAULTS: Mapping[str, tuple[Fault, int]] = {
    "redis killed": (kill_redis, 2),
    "redis frozen": (freeze_redis, 1),
    "registry killed": (kill_registry, 2),
    "dispatcher killed": (kill_dispatcher, 2),
    "connections reset": (reset_connections, 3),
    "messages lost": (lose_messages, 3),
    "messages doubled": (double_messages, 3),
}


def messages(connection: Redis) -> list[str]:
    """Return the keys of Celery's queues."""
    return [key for queue in QUEUES for key in connection.scan_iter(f"{queue}*", _type="list")] or ["nothing"]


def inner(machine: Machine, name: str = "worker") -> int:
    """Return the process that `start` began, as the real machine numbers it: nsenter's child."""
    outer = machine.processes[name].pid
    children = Path(f"/proc/{outer}/task/{outer}/children")
    until(lambda: children.read_text(encoding="ascii").strip(), 10, f"{name} of {machine.name} runs")
    return int(children.read_text(encoding="ascii").split()[0])


def translated(pid: str) -> str:
    """Return a process's number inside its own machine."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("NSpid:"):
            return line.split()[2]
    raise ProcessLookupError(pid)


def descendants(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for one in found:
        path = Path(f"/proc/{one}/task/{one}/children")
        if path.exists():
            found += map(int, path.read_text(encoding="ascii").split())
    return found


def stop(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
