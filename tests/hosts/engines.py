"""A Docker Engine on a machine of a test, with data and sockets of its own."""

import contextlib
import subprocess
from pathlib import Path

from tests.hosts.machines import Machine, until

DOCKER = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"


def socket(machine: Machine) -> str:
    """Return the address of the machine's engine, as DOCKER_HOST wants it."""
    return f"unix://{machine.sockets}/docker.sock"


def docker(machine: Machine, *arguments: str) -> str:
    """Run the docker program against the machine's engine and return what it printed."""
    command = [DOCKER, "-H", socket(machine), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def start(machine: Machine, *trusted: str) -> None:
    """Start the machine's engine, trusting the named registries without TLS, and wait until it answers.

    Killed while it made a network, Docker 20.10 finds half of that in its own file and panics at every start; the cure
    is an administrator's: the file goes, and with it the networks that were.
    """
    folder = machine.folder
    command = ["dockerd", f"--data-root={folder}/docker", f"--exec-root={machine.sockets}/exec"]
    command += [f"--pidfile={folder}/docker.pid", f"--host={socket(machine)}", "--log-level=warn"]
    command += [f"--insecure-registry={registry}" for registry in trusted]
    for _ in range(3):
        # After a kill the files name processes that are gone, and a number may have gone to somebody else since.
        for stale in (folder / "docker.pid", machine.sockets / "exec" / "containerd" / "containerd.pid"):
            stale.unlink(missing_ok=True)
        machine.start("engine", command)
        until(lambda: machine.ended("engine") or answers(machine), 60, f"the engine answers; see {folder}/engine.log")
        if not machine.ended("engine"):
            return
        (folder / "docker" / "network" / "files" / "local-kv.db").unlink(missing_ok=True)
    raise TimeoutError(f"the engine of {machine.name} does not start; see {folder}/engine.log")


def answers(machine: Machine) -> bool:
    """Say whether the machine's engine takes requests."""
    with contextlib.suppress(subprocess.SubprocessError):
        return bool(docker(machine, "version", "--format", "{{.Server.Version}}").strip())
    return False
