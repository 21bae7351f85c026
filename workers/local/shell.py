"""An interactive shell where a job has failed, by the `docker` program, which knows how to hand over a terminal."""

import shutil
import subprocess

from farm.errors import Errored, Refused
from workers import secret_file

# What the image has of them; `exec` of a program that is not there would end the shell that tries.
_ENTER = f"{secret_file.READ}; for it in bash ash; do command -v $it >/dev/null && exec $it; done; exec sh"
WAITING = "while sleep 3600; do :; done"  # what keeps a container there for a shell


def program() -> str:
    """Return the `docker` program."""
    found = shutil.which("docker")
    if found is None:
        raise Refused("--shell needs the program `docker` on this machine; install it, or run without --shell")
    return found


def keep(container: str, image: str) -> None:
    """Make an image of a container's files as they are now, without the labels by which containers are removed."""
    unlabelled = "LABEL farm.id= farm.pipeline= farm.step= farm.fence= farm.expires="
    command = [program(), "commit", "--change", unlabelled, container, image]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Errored(f"the files of the failed job cannot be kept: {done.stderr.strip()}")


def enter(container: str) -> None:
    """Give the person a shell in a running container until they leave it."""
    subprocess.run([program(), "exec", "-it", container, "sh", "-c", _ENTER], check=False)
