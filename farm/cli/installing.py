"""The farm's hook in a bare repository: put in place, looked at, taken away. It knows nothing of the farm's answers."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from farm.cli.bare import Bare, is_ours
from farm.errors import Refused

PREVIOUS = ".farm-previous"
_SYSTEM = "/usr/bin/python3"
_SWITCHES = {"receive.advertisePushOptions": "true", "core.logAllRefUpdates": "always"}


def prepare(bare: Bare) -> None:
    """Have git keep a reflog of each ref, bare repository or not, and take push options."""
    for name, value in _SWITCHES.items():
        bare.git("config", name, value)


def install(
    bare: Bare, settings: Mapping[str, str], registered: str, reflogs: Mapping[str, Sequence[int | str]]
) -> Path | None:
    """Put settings and hook in place and return where a foreign hook was kept, if there was one.

    What the reflogs list behind those given is offered to the farm, unless it goes on from the same registration.
    """
    try:
        _folder(bare, bare.farm)
        _folder(bare, bare.spool)
        _write(bare, bare.farm / "hook.json", json.dumps(settings, indent=2).encode() + b"\n", 0o640)
        if _registered(bare) != registered:
            marks = {"registered": registered, "refs": reflogs}
            _write(bare, bare.farm / "reflogs.json", json.dumps(marks).encode(), 0o660)
        kept = _put_hook(bare)
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror}; run this as the repository's owner") from None
    return kept


def remove(bare: Bare) -> Path | None:
    """Take hook and settings away and return the hook that is back in its place; what is in the spool stays."""
    previous = bare.hook.with_name(bare.hook.name + PREVIOUS)
    try:
        (bare.farm / "hook.json").unlink(missing_ok=True)
        if not (bare.installed and _alone(bare)):
            return None
        if previous.exists():
            previous.rename(bare.hook)
            return bare.hook
        bare.hook.unlink()
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror}; run this as the repository's owner") from None
    return None


def mistakes(bare: Bare) -> Sequence[str]:
    """Return what keeps pushes from being reported, each with the line that mends it."""
    again = f"run: farm hook install {bare.path}"
    found = []
    if not bare.settings:
        found.append(f"it is not registered with a farm; {again}")
    if not bare.installed:
        found.append(f"{bare.hook} is not the farm's hook; {again}")
    elif not os.access(bare.hook, os.X_OK):
        found.append(f"{bare.hook} cannot be executed; run: chmod +x {bare.hook}")
    elif bare.hook.read_bytes() != _script():
        found.append(f"{bare.hook} is of another version of the farm; {again}")
    for name, value in _SWITCHES.items():
        if bare.git("config", "--default", "", "--get", name).lower() != value:
            found.append(f"{name} is not {value}; run: git -C {bare.path} config {name} {value}")
    return found


def _alone(bare: Bare) -> bool:
    """Whether the hooks folder is this repository's own; one that several share keeps the hook."""
    return bare.hook.parent.resolve().is_relative_to(bare.path)


def _registered(bare: Bare) -> str | None:
    try:
        return str(json.loads((bare.farm / "reflogs.json").read_text())["registered"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _put_hook(bare: Bare) -> Path | None:
    hook, kept = bare.hook, None
    hook.parent.mkdir(parents=True, exist_ok=True)
    if hook.exists() and not is_ours(hook):
        kept = hook.with_name(hook.name + PREVIOUS)
        if kept.exists():
            raise Refused(f"{kept} and a foreign {hook} are both there; join the two into one file, then repeat")
        hook.rename(kept)
    _write(bare, hook, _script(), 0o755)
    return kept


def _folder(bare: Bare, path: Path) -> None:
    """Make a folder that whoever may write to the repository may use."""
    path.mkdir(exist_ok=True)
    _own(bare, path)
    path.chmod(0o2770 if bare.path.stat().st_mode & stat.S_IWGRP else 0o750)


def _write(bare: Bare, path: Path, content: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
        file.write(content)
    _own(bare, draft)
    draft.chmod(mode)
    draft.rename(path)


def _own(bare: Bare, path: Path) -> None:
    """Give a file to the repository's owner and group when root installs for others."""
    wanted, is_ = bare.path.stat(), path.stat()
    if (wanted.st_uid, wanted.st_gid) != (is_.st_uid, is_.st_gid):
        shutil.chown(path, wanted.st_uid if os.geteuid() == 0 else None, wanted.st_gid)


def _script() -> bytes:
    """Return the hook, which is in deploy/ of a checkout and inside `farm` in a wheel.

    Its first line is changed to the system's own Python without site packages, a third of the start-up, and in UTF-8:
    nothing that a pusher's environment could change.
    """
    package = Path(__file__).parents[1]
    installed = package / "deploy/post-receive"
    script = (installed if installed.exists() else package.parent / "deploy/post-receive").read_bytes()
    python = next(filter(_understands, (_SYSTEM, shutil.which("python3") or "")), sys.executable)
    return f"#!{python} -ISXutf8\n".encode() + script.split(b"\n", 1)[1]


def _understands(python: str) -> bool:
    """Whether a Python is there and new enough for the hook: some systems keep an old one for themselves."""
    program = "import sys; sys.exit(sys.version_info < (3, 7))"
    try:
        return subprocess.run([python, "-IS", "-c", program], check=False, capture_output=True).returncode == 0
    except OSError:
        return False
