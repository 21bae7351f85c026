"""Makes this machine ready: packages and a Python environment. It needs no more than python3 itself.

What is there already is used and left alone; where nothing may be installed, it says exactly what to install.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
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
    "git-lfs": "git-lfs",
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


def ensure_environment(lock: str) -> Path:
    """Return the programs of .venv, filled from a lock whose hashes pip checks, with the checkout on its path."""
    environment = ROOT / ".venv"
    programs = environment / "bin"
    python = str(programs / "python")
    program = programs / "farm"
    # A checkout that was moved has programs that name their old place.
    moved = program.exists() and not program.read_text().startswith(f"#!{python}")
    if program.exists() and not moved and not _fails([python, "-c", _SATISFIED, str(ROOT / lock)]):
        return programs
    say(f"installing {lock} into .venv")
    if moved or not Path(python).exists() or _fails([python, "-m", "pip", "--version"]):
        quiet([sys.executable, "-m", "venv", *(["--clear"] if moved else []), str(environment)])
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
    return which(program) is not None


def which(program: str) -> str | None:
    """Return a program's path, also where an ordinary user's PATH does not lead."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


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
