"""Makes this machine ready: packages, a Docker Engine, a Python environment. It needs no more than python3 itself.

What is there already is used and left alone; where nothing may be installed, it says exactly what to install.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
SYSTEMD = Path("/run/systemd/system")

# What a program is called, and the package of Debian and Ubuntu that brings it.
FARM = {
    "git": "git",
    "docker": "docker.io",
    "docker-registry": "docker-registry",
    "redis-server": "redis-server",
    "python3 -m venv": "python3-venv",
}
STANDINS = {"debootstrap": "debootstrap"}
TESTS = {
    **STANDINS,
    "busybox": "busybox-static",
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "ip": "iproute2",
    "pgrep": "procps",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
}
# Run by the environment's own Python: whether it has every version that the lock names.
_SATISFIED = """
import re, sys
from importlib.metadata import version
for name, wanted in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;]+)", open(sys.argv[1]).read(), re.MULTILINE):
    assert version(name) == wanted
"""
_SERVICES = ("docker-registry", "redis-server", "ssh")


class Trouble(Exception):
    """What stands in the way and what to do about it, in one sentence."""


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(f"==> {text}", flush=True)


def prepare() -> None:
    """Refuse a Python that the farm does not run on; see to it that what was begun is cleared up when this is ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        have = ".".join(map(str, sys.version_info[:2]))
        raise Trouble(f"python3 is {have} and the farm needs {wanted}; install it and run this with python{wanted}")


def install(programs: Mapping[str, str]) -> None:
    """Install the packages of programs that are missing, if this may be done, and let none of them start anything."""
    missing = {program: package for program, package in programs.items() if not _has(program)}
    if not missing:
        return
    packages = list(dict.fromkeys(missing.values()))
    line = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise Trouble(
            f"missing: {', '.join(missing)}; install them (Debian and Ubuntu call the packages {' '.join(packages)})"
        )
    if os.geteuid() != 0:
        raise Trouble(f"missing: {', '.join(missing)}; only root may install: run `sudo {line}`, then this again")
    say(f"installing {' '.join(packages)}")
    with _nothing_starts():
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        quiet(["apt-get", "update", "-qq"], env=environment)
        quiet(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=environment)
        if not shutil.which("docker") and "docker" in missing:
            # Later releases keep the client in a package of its own.
            quiet(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "docker-cli"], env=environment)
    if SYSTEMD.is_dir():
        # Nor at the next boot: the farm runs its own.
        for service in _SERVICES:
            if service in packages or (service == "ssh" and "openssh-server" in packages):
                quiet(["systemctl", "disable", "--quiet", service])
    if still := [program for program in missing if not _has(program)]:
        raise Trouble(f"the packages are installed and {', '.join(still)} is still not there; install it by hand")


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
    if not shutil.which("dockerd"):
        raise Trouble("the docker here is a client without an engine: run `apt-get install docker.io`, then this again")
    say("starting the Docker Engine")
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = state / "dockerd.log"
    if SYSTEMD.is_dir():
        quiet(["systemctl", "start", "docker"])
        _remember(state, 0)
    else:
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["dockerd"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True
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


def ensure_environment(lock: str) -> Path:
    """Return the programs of .venv, filled from a lock whose hashes pip checks, with the checkout on its path."""
    environment = ROOT / ".venv"
    programs = environment / "bin"
    if (programs / "farm").exists() and not _fails([str(programs / "python"), "-c", _SATISFIED, str(ROOT / lock)]):
        return programs
    say(f"installing {lock} into .venv")
    if not (programs / "python").exists() or _fails([str(programs / "python"), "-m", "pip", "--version"]):
        quiet([sys.executable, "-m", "venv", str(environment)])
    python = str(programs / "python")
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install"]
    quiet([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(ROOT / lock)])
    # The checkout itself needs no building: a path file, its name and version, and the one program of pyproject.toml.
    library = Path(output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    (library / "farm.pth").write_text(f"{ROOT}\n")
    import tomllib  # noqa: PLC0415 - from 3.11 on, which was checked

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    about = library / f"farm-{project['version']}.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: farm\nVersion: {project['version']}\n")
    program = programs / "farm"
    program.write_text(f"#!{python}\nfrom farm.cli import app\n\napp()\n")
    program.chmod(0o755)
    return programs


def quiet(command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    """Run a command whose output matters only when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, check=False, text=True)
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-12:])
        raise Trouble(f"`{' '.join(command[:4])} …` failed with {done.returncode}:\n{end}")


def output(command: Sequence[str], cwd: Path | None = None) -> str:
    """Return what a command prints; it must not fail."""
    done = subprocess.run(command, capture_output=True, cwd=cwd, check=False, text=True)
    if done.returncode:
        raise Trouble(f"`{' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _fails(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode != 0


def _has(program: str) -> bool:
    if program == "python3 -m venv":
        # Debian keeps ensurepip, which venv needs, in a package of its own.
        return (ROOT / ".venv/bin/farm").exists() or not _fails([sys.executable, "-c", "import ensurepip, venv"])
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin") is not None


@contextlib.contextmanager
def _nothing_starts() -> Iterator[None]:
    """Tell the package tools to start no service (policy-rc.d, code 101), and take that back whatever happens."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        # Somebody else's word on it stands.
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


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
    import pwd  # noqa: PLC0415 - needed once, for a sentence

    return pwd.getpwuid(os.geteuid()).pw_name
