"""The Docker Engine of this machine: used where one runs, started where none does, ended if it was started here.

It needs no more than python3 itself.
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import time
from pathlib import Path

from machine import SYSTEMD, Trouble, install, output, quiet, say, which


def ensure_engine(state: Path) -> None:
    """See to it that a Docker Engine answers; one that is started here is remembered in the state folder."""
    words = _engine_words()
    if words is None:
        return
    if "permission denied" in words.lower():
        user = _user()
        raise Trouble(
            f"Docker runs, but its socket refuses {user}: run `sudo usermod -aG docker {user}`, log in again"
            " (or `newgrp docker`), and start this again"
        )
    if os.environ.get("DOCKER_HOST"):
        raise Trouble(
            f"no Docker Engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}; start it or unset the variable"
        )
    if os.geteuid() != 0:
        raise Trouble(
            "no Docker Engine runs, and only root may start one: run `sudo systemctl start docker`, then this again"
        )
    # The docker that is here may be a client alone.
    install({"dockerd": "docker.io"})
    say("starting the Docker Engine")
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = state / "dockerd.log"
    if SYSTEMD.is_dir():
        quiet(["systemctl", "start", "docker"])
        _remember(state, 0)
    else:
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(which("dockerd"))],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
            )
        _remember(state, process.pid)
    late = time.monotonic() + 60
    while _engine_words() is not None:
        if time.monotonic() > late or (not SYSTEMD.is_dir() and process.poll() is not None):
            end = "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else ""
            raise Trouble(f"the Docker Engine does not come up; the end of {log}:\n{end}")
        time.sleep(0.2)


def release_engine(state: Path, farm_id: str | None) -> str | None:
    """End the engine that `ensure_engine` started, unless it runs containers that are not the farm's; say if so."""
    note = state / "engine.json"
    try:
        started = json.loads(note.read_text())
    except (OSError, ValueError):
        return None
    if _engine_words() is None:
        running = set(output(["docker", "ps", "-q"]).split())
        ours = set(output(["docker", "ps", "-q", "--filter", f"label=farm.id={farm_id}"]).split()) if farm_id else set()
        if foreign := running - ours:
            return (
                f"the Docker Engine goes on: it runs {len(foreign)} container(s) that are not the farm's (`docker ps`)"
            )
        if started["pid"] == 0:
            quiet(["systemctl", "stop", "docker.socket", "docker.service"])
        elif _born(started["pid"]) == started["born"]:
            os.kill(started["pid"], 15)
            late = time.monotonic() + 30
            while _born(started["pid"]) and time.monotonic() < late:
                time.sleep(0.1)
    note.unlink()
    return None


def _engine_words() -> str | None:
    """Return what the docker program complains about, or None when an engine answers."""
    done = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, check=False, text=True
    )
    return (done.stderr.strip() or "no answer") if done.returncode else None


def _remember(state: Path, pid: int) -> None:
    (state / "engine.json").write_text(json.dumps({"pid": pid, "born": _born(pid) if pid else ""}))


def _born(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
