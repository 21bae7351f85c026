"""An interactive shell where a job has failed, by the `docker` program, which knows how to hand over a terminal."""

import shutil
import subprocess
from contextlib import suppress
from dataclasses import replace

from farm.errors import Errored, Refused
from workers import secret_file, test
from workers.workspace import Workspace

# What the image has of them; `exec` of a program that is not there would end the shell that tries.
_ENTER = f"{secret_file.READ}; for it in bash ash; do command -v $it >/dev/null && exec $it; done; exec sh"
_WAITING = "while sleep 3600; do :; done"  # what keeps a container there for a shell


def program() -> str:
    """Return the `docker` program."""
    found = shutil.which("docker")
    if found is None:
        raise Refused("--shell needs the program `docker` on this machine; install it, or run without --shell")
    return found


def offer(work: Workspace, place: test.Place, container: str, name: str) -> None:
    """Give the person a shell where a job has failed, with the files as the script left them, kept in an image."""
    with suppress(Errored):
        _keep(container, name)
        work.teardown.callback(work.engine.remove_image, name)
        place = replace(place, job=place.job.model_copy(update={"checkout": None}), image=name)
    waiting = test.start(work, place, (_WAITING,), keep=True)
    work.log.line(f"a shell where {work.claim.step} failed, its services are up; leave it to go on")
    _enter(waiting)


def _keep(container: str, image: str) -> None:
    """Make an image of a container's files as they are now, without the labels by which containers are removed."""
    unlabelled = "LABEL farm.id= farm.pipeline= farm.step= farm.fence= farm.expires="
    command = [program(), "commit", "--change", unlabelled, container, image]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Errored(f"the files of the failed job cannot be kept: {done.stderr.strip()}")


def _enter(container: str) -> None:
    """Give the person a shell in a running container until they leave it."""
    subprocess.run([program(), "exec", "-it", container, "sh", "-c", _ENTER], check=False)
