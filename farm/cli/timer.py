"""The timer that empties a repository's spool: a systemd timer or a line of cron. It delivers nothing itself."""

import os
import pwd
import re
import shlex
import shutil
import subprocess
from enum import StrEnum
from pathlib import Path

from farm.cli.bare import Bare
from farm.errors import Refused

UNITS = Path("/etc/systemd/system")
_RUNS = Path("/run/systemd/system")


class Kind(StrEnum):
    """What is to run the delivery every minute; `auto` takes what is there."""

    AUTO = "auto"
    SYSTEMD = "systemd"
    CRON = "cron"
    NONE = "none"


def install(kind: Kind, bare: Bare, name: str) -> str:
    """Set the timer up and return one sentence on what runs now, or on what to set up by hand."""
    if kind is Kind.AUTO:
        kind = available()
    if kind is Kind.SYSTEMD:
        unit = unit_name(name)
        (UNITS / f"{unit}.service").write_text(service(bare))
        (UNITS / f"{unit}.timer").write_text(timer(bare))
        _run("systemctl", "daemon-reload")
        _run("systemctl", "enable", "--now", f"{unit}.timer")
        return f"{unit}.timer delivers each minute what a push could not"
    if kind is Kind.CRON:
        lines = [line for line in _crontab() if line != cron_line(bare)]
        _run("crontab", "-", text="\n".join([*lines, cron_line(bare)]) + "\n")
        return "cron delivers each minute what a push could not"
    return f"to deliver what a push could not, have this run each minute: {command(bare)}"


def remove(bare: Bare, name: str) -> None:
    """Take away what `install` may have set up."""
    unit = unit_name(name)
    if (UNITS / f"{unit}.timer").exists() and _RUNS.is_dir():
        _run("systemctl", "disable", "--now", f"{unit}.timer")
        for suffix in ("service", "timer"):
            (UNITS / f"{unit}.{suffix}").unlink(missing_ok=True)
        _run("systemctl", "daemon-reload")
    lines = _crontab()
    if cron_line(bare) in lines:
        _run("crontab", "-", text="".join(f"{line}\n" for line in lines if line != cron_line(bare)))


def available() -> Kind:
    """Return what this machine can do for this user."""
    if _RUNS.is_dir() and os.geteuid() == 0:
        return Kind.SYSTEMD
    return Kind.CRON if shutil.which("crontab") else Kind.NONE


def command(bare: Bare) -> str:
    """Return the command line that empties the spool."""
    return shlex.join([str(bare.hook), "--deliver", str(bare.path)])


def cron_line(bare: Bare) -> str:
    """Return the line of a crontab, where a percent sign would end the command."""
    return "* * * * * " + command(bare).replace("%", r"\%")


def unit_name(name: str) -> str:
    """Return the name of the units, without suffix."""
    return "farm-deliver-" + re.sub(r"[^a-z0-9._-]", "-", name)


def service(bare: Bare) -> str:
    """Return the service: one delivery, as the repository's owner."""
    owner = pwd.getpwuid(bare.path.stat().st_uid).pw_name
    program = _quoted(str(bare.hook)).replace("$$", "$")  # systemd replaces no variables in the program's own path
    words = f'"{program}" --deliver "{_quoted(str(bare.path))}"'
    return (
        f"[Unit]\nDescription=Deliver pushes of {bare.path} to the farm\n\n"
        f"[Service]\nType=oneshot\nUser={owner}\nExecStart={words}\n"
    )


def timer(bare: Bare) -> str:
    """Return the timer: each minute, from a minute after boot on."""
    return (
        f"[Unit]\nDescription=Deliver pushes of {bare.path} to the farm each minute\n\n"
        "[Timer]\nOnBootSec=60\nOnUnitInactiveSec=60\n\n[Install]\nWantedBy=timers.target\n"
    )


def _quoted(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")


def _crontab() -> list[str]:
    if not shutil.which("crontab"):
        return []
    done = subprocess.run(["crontab", "-l"], check=False, capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


def _run(*words: str, text: str | None = None) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True, input=text)
    if done.returncode:
        why = done.stderr.strip() or f"it ends with {done.returncode}"
        raise Refused(f"`{shlex.join(words)}`: {why}; the hook works, install it with --timer none to do without")
