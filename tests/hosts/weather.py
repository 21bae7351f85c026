"""What may go wrong on an estate, each as a function that does it, waits, and mends it. It judges nothing.

A fault says of which worker it hits, or of none. What it leaves running is as good as new.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
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
    if slots := children(inner(machine)):
        stop(dice.choice(slots), signal.SIGKILL)


def freeze_slot(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """SIGSTOP to one process of the worker's pool for longer than a lease."""
    del farm
    if slots := children(inner(machine)):
        slot = dice.choice(slots)
        stop(slot, signal.SIGSTOP)
        time.sleep(LEASE * dice.uniform(1.2, 2))
        stop(slot, signal.SIGCONT)


def end_worker(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """SIGTERM to the worker, as systemd would; then a new one."""
    del dice
    stop(inner(machine), signal.SIGTERM)
    machine.processes.pop("worker").wait(timeout=60)
    farm.start_worker(machine)


def freeze_worker(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """SIGSTOP to the worker for longer than a lease; its containers go on."""
    del farm
    with frozen(machine, "worker"):
        time.sleep(LEASE * dice.uniform(1.2, 2))


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


def end_engine(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """SIGTERM to the Docker Engine, which stops its containers, and a new start at once."""
    del dice
    stop(inner(machine, "engine"), signal.SIGTERM)
    machine.processes.pop("engine").wait(timeout=60)
    engines.start(machine, farm.registry)


def lose_host(farm: Estate, machine: Machine, dice: random.Random) -> None:
    """Pull the plug of a host for good; another takes its place."""
    del dice
    del farm.builders[machine.name]
    machine.power_off()
    farm.builder()


def kill_redis(farm: Estate, dice: random.Random) -> None:
    """SIGKILL to Redis; it comes back from its append-only file."""
    farm.centre.kill("redis")
    time.sleep(dice.uniform(0.5, 8))
    farm.start_redis()


def freeze_redis(farm: Estate, dice: random.Random) -> None:
    """Redis stands still, so that everybody looks dead to it."""
    with frozen(farm.centre, "redis"):
        time.sleep(LEASE * dice.uniform(0.3, 1.5))


def fill_redis(farm: Estate, dice: random.Random) -> None:
    """Redis takes nothing more into its memory for a while."""
    with farm.redis() as connection:
        connection.config_set("maxmemory", "1mb")
        time.sleep(dice.uniform(1, 6))
        connection.config_set("maxmemory", 0)


def kill_registry(farm: Estate, dice: random.Random) -> None:
    """SIGKILL to the registry, and a new start."""
    farm.centre.kill("registry")
    time.sleep(dice.uniform(0.5, 5))
    farm.start_registry()


def freeze_registry(farm: Estate, dice: random.Random) -> None:
    """The registry takes connections and answers late."""
    with frozen(farm.centre, "registry"):
        time.sleep(LEASE * dice.uniform(0.2, 1.2))


def kill_git(farm: Estate, dice: random.Random) -> None:
    """SIGKILL to whatever serves the repositories to builders and dispatcher, and a new start."""
    farm.centre.kill("git")
    time.sleep(dice.uniform(0.5, 5))
    farm.start_git()


def kill_dispatcher(farm: Estate, dice: random.Random) -> None:
    """SIGKILL to the dispatcher, and a new start."""
    farm.centre.kill("dispatcher")
    time.sleep(dice.uniform(0, 5))
    farm.start_dispatcher()


def freeze_dispatcher(farm: Estate, dice: random.Random) -> None:
    """The dispatcher, its reaper and its reconciler stand still."""
    with frozen(farm.centre, "dispatcher"):
        time.sleep(LEASE * dice.uniform(0.3, 2))


def double_dispatcher(farm: Estate, dice: random.Random) -> None:
    """A second dispatcher beside the first, which dies and comes back; then the second dies."""
    farm.start_dispatcher("second", 8441)
    time.sleep(dice.uniform(0, 3))
    farm.centre.kill("dispatcher")
    time.sleep(dice.uniform(0, 3))
    farm.start_dispatcher()
    farm.centre.kill("second")


def reset_connections(farm: Estate, dice: random.Random) -> None:
    """Reset every connection to Redis at once."""
    del dice
    with farm.redis() as connection:
        connection.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        connection.execute_command("CLIENT", "KILL", "TYPE", "normal")


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
    "slot frozen past its lease": (freeze_slot, 2),
    "host frozen": (freeze_host, 2),
    "host cut off": (cut_host, 3),
    "engine killed": (kill_engine, 3),
    "engine told to end": (end_engine, 1),
    "host lost for good": (lose_host, 1),
}
CENTRE_FAULTS: Mapping[str, tuple[Fault, int]] = {
    "redis killed": (kill_redis, 2),
    "redis frozen": (freeze_redis, 1),
    "redis full": (fill_redis, 1),
    "registry killed": (kill_registry, 2),
    "registry frozen": (freeze_registry, 2),
    "git killed": (kill_git, 1),
    "dispatcher killed": (kill_dispatcher, 2),
    "dispatcher frozen": (freeze_dispatcher, 1),
    "two dispatchers": (double_dispatcher, 1),
    "connections reset": (reset_connections, 3),
    "messages lost": (lose_messages, 3),
    "messages doubled": (double_messages, 3),
}


@contextlib.contextmanager
def frozen(machine: Machine, name: str) -> Iterator[None]:
    """Stop one session and everything below it, and let it go on at the end."""
    pids = descendants(inner(machine, name))
    machine.signal(name, signal.SIGSTOP)
    for pid in pids:
        stop(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        stop(pid, signal.SIGCONT)
    machine.signal(name, signal.SIGCONT)


def messages(connection: Redis) -> list[str]:
    """Return the keys of Celery's queues."""
    return [key for queue in QUEUES for key in connection.scan_iter(f"{queue}*", _type="list")] or ["nothing"]


def inner(machine: Machine, name: str = "worker") -> int:
    """Return the process that `start` began, as the real machine numbers it: nsenter's child."""
    outer = machine.processes[name].pid
    until(lambda: children(outer), 60, f"{name} of {machine.name} runs")
    return children(outer)[0]


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    with contextlib.suppress(FileNotFoundError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    return []


def descendants(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for one in found:
        found += children(one)
    return found


def stop(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
