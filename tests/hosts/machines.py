"""Machines of a test: each has a network address on one bridge, processes, mounts and a host name of its own.

They share the disk and the clock of the real machine, and nothing else. Of the farm it is known here how it is started.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.programs import Program, Ran, farm, run

# Tests that run side by side look for a free subnet in tens of their own.
FIRST = 77 + 10 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
SUBNETS = range(FIRST, FIRST + 10)
NAMESPACES = ("--net", "--pid", "--mount", "--uts", "--ipc")


def ip(*arguments: str) -> None:
    """Run iproute2's `ip`; what it complains about is the test's error."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Return as soon as the condition holds; after the deadline fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} s still not: {what}")
        time.sleep(0.05)


@dataclass
class Machine:
    """One machine; its first process only waits, and when that is killed everything on the machine is gone."""

    name: str
    link: str
    address: str
    gateway: str
    switch: str
    folder: Path
    sockets: Path  # a short path: what an engine's containerd listens on may have 104 letters
    init: int = 0
    processes: dict[str, subprocess.Popen[bytes] | Program] = field(default_factory=dict)

    def power_on(self) -> None:
        """Boot the machine: nothing but its network runs."""
        boot = f"hostname {self.name} && ip link set lo up && exec sleep infinity"
        command = ["unshare", *NAMESPACES, "--fork", "--mount-proc", "sh", "-c", boot]
        self.processes["init"] = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        children = Path(f"/proc/{self.processes['init'].pid}/task/{self.processes['init'].pid}/children")
        until(lambda: children.read_text(encoding="ascii").strip(), 60, f"{self.name} boots")
        self.init = int(children.read_text(encoding="ascii"))
        until(
            lambda: Path(f"/proc/{self.init}/comm").read_text(encoding="ascii") == "sleep\n", 60, f"{self.name} boots"
        )
        plug(self.switch, self.link, str(self.init))
        for line in (
            f"addr add {self.address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {self.gateway}",
        ):
            self.run(["ip", *line.split()])

    @property
    def enter(self) -> list[str]:
        """The command that runs another one on this machine."""
        return ["nsenter", f"--target={self.init}", *NAMESPACES]

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a process in a session of its own; its output goes to NAME.log in the machine's folder."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*self.enter, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    def start_farm(
        self, name: str, arguments: Sequence[object], environment: Mapping[str, str], be: Callable[[], None] = farm
    ) -> None:
        """Start the program `farm` as `start` does any other."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = Program(
                arguments, be=be, env={**os.environ, **environment}, log=log, inside=self.init
            )

    def run_farm(self, arguments: Sequence[object], environment: Mapping[str, str], **how: Any) -> Ran:
        """Run the program `farm` here to its end."""
        return run(arguments, env={**os.environ, **environment}, inside=self.init, **how)

    def run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
        """Run a command here to its end and return what it printed."""
        done = subprocess.run(
            [*self.enter, *command],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, **(environment or {})},
        )
        return done.stdout

    def signal(self, name: str, number: int) -> None:
        """Send a signal to all processes of one session that `start` began."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[name].pid, number)

    def ended(self, name: str) -> bool:
        """Say whether a session that `start` began has ended by itself."""
        return self.processes[name].poll() is not None

    def kill(self, name: str) -> None:
        """End one session by SIGKILL and wait until its first process is gone."""
        self.signal(name, signal.SIGKILL)
        self.processes.pop(name).wait(timeout=60)

    def freeze(self) -> None:
        """Stop every process, those in containers too, as a paused virtual machine would."""
        self.run(["sh", "-c", "kill -STOP -1"])

    def thaw(self) -> None:
        """Let every process go on."""
        self.run(["sh", "-c", "kill -CONT -1"])
        for name in self.processes:
            self.signal(name, signal.SIGCONT)

    def cut(self) -> None:
        """Pull the network cable."""
        ip("-n", self.switch, "link", "set", self.link, "down")

    def heal(self) -> None:
        """Plug the network cable in again."""
        ip("-n", self.switch, "link", "set", self.link, "up")

    def power_off(self) -> None:
        """Pull the plug: no process and no mount is left, and nobody said goodbye on the network."""
        if self.init:
            self.cut()
            os.kill(self.init, signal.SIGKILL)
            self.init = 0
        for name in self.processes:
            self.signal(name, signal.SIGKILL)  # nsenter's outer half is no inhabitant and may be stopped
        for name in list(self.processes):
            self.processes.pop(name).wait(timeout=60)
        with contextlib.suppress(subprocess.CalledProcessError):  # the link goes with the machine, a moment later
            ip("-n", self.switch, "link", "del", self.link)


@dataclass
class Network:
    """A bridge with machines on it; the real machine is its .1 and reaches all of them."""

    switch: str
    prefix: str
    folder: Path
    machines: dict[str, Machine] = field(default_factory=dict)

    def machine(self, name: str) -> Machine:
        """Add a machine under a new name and power it on."""
        number = len(self.machines) + 2
        folder = self.folder / name
        folder.mkdir(parents=True)
        sockets = Path(tempfile.mkdtemp(prefix="fm-"))
        address, gateway = f"{self.prefix}.{number}", f"{self.prefix}.1"
        machine = Machine(name, f"port{number}", address, gateway, self.switch, folder, sockets)
        self.machines[name] = machine
        machine.power_on()
        return machine


@contextlib.contextmanager
def network(folder: Path) -> Iterator[Network]:
    """Make a network on a free subnet; at the end every machine is powered off and everything is taken away.

    The bridge is in a namespace of its own, so that the real machine's packet filter has no word in it.
    """
    taken = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    prefix = next(f"10.{n}.0" for n in SUBNETS if f"10.{n}.0." not in taken)
    switch = f"fb{secrets.token_hex(2)}"
    ip("netns", "add", switch)
    net = Network(switch, prefix, folder)
    try:
        ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        plug(switch, "port1", "1", switch)
        ip("addr", "add", f"{prefix}.1/24", "dev", switch)
        ip("link", "set", switch, "up")
        yield net
    finally:
        for machine in net.machines.values():
            machine.power_off()
            shutil.rmtree(machine.sockets, ignore_errors=True)
        ip("link", "del", switch)
        ip("netns", "del", switch)


def plug(switch: str, port: str, process: str, interface: str = "eth0") -> None:
    """Lay a cable from a new port of the switch to a new interface in the network of a process."""
    ip("link", "add", interface, "netns", process, "type", "veth", "peer", "name", port, "netns", switch)
    ip("-n", switch, "link", "set", port, "master", "bridge", "up")
