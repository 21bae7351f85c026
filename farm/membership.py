"""What a build machine knows of the farm it belongs to: a file of variables that the farm writes and `farm join` keeps.

Whoever can read it can take steps, write to the record and open every secret of a repository. It holds no token of the
API and no password of a person.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from farm.errors import Refused

NEEDED = ("FARM_ID", "FARM_REDIS_URL", "FARM_REGISTRY")
ITS_OWN = ("FARM_WORKER_NAME", "FARM_SLOTS", "FARM_LABELS")  # what `farm join` was told of this machine
OPTIONAL = (
    *("FARM_REGISTRY_PLAIN", "FARM_URL", "FARM_WEB_URL", "FARM_LEASE", "FARM_SECRET_KEYS"),
    *ITS_OWN,
)


def membership_file(home: Path) -> Path:
    """Return where a build machine keeps it; systemd can read it as an EnvironmentFile."""
    return home / "worker.env"


def invitation_file(home: Path) -> Path:
    """Return where the farm's own machine keeps what it gives to build machines."""
    return home / "join.env"


def read_membership(home: Path) -> Mapping[str, str]:
    """Return the variables of this machine's membership, none where it has not joined a farm."""
    path = membership_file(home)
    try:
        return parse(path.read_text(), str(path))
    except FileNotFoundError:
        return {}
    except PermissionError:
        raise Refused(f"{path} belongs to another user; run this as its owner, or set FARM_HOME") from None


def parse(text: str, name: str) -> Mapping[str, str]:
    """Return the variables of a file; lines are KEY=VALUE, comments begin with #. Nothing is expanded."""
    lines = [line.strip() for line in text.splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    found = {key.strip(): value.strip() for key, _, value in pairs}
    wrong = sorted(found.keys() - {*NEEDED, *OPTIONAL})
    lacking = [key for key in NEEDED if not found.get(key)]
    if wrong or lacking:
        what = f"it lacks {', '.join(lacking)}" if lacking else f"it holds {', '.join(wrong)[:80]}"
        raise Refused(f"{name} is no file of `farm up --listen` for a build machine: {what}; copy join.env once more")
    return found


def write(path: Path, variables: Mapping[str, str], about: str) -> None:
    """Write the variables, for the eyes of the folder's owner alone; a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"# {about}\n" + "".join(f"{key}={value}\n" for key, value in variables.items()))
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(draft, owner.st_uid, owner.st_gid)
    draft.rename(path)
