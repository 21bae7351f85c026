"""What the processes of `farm up` find on this machine: addresses, redis.conf, environment. It starts none of them."""

import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from farm.errors import Refused
from farm.holder import MARK
from farm.home import LOCAL, State, is_free, state_file
from farm.hosts import here
from farm.membership import invitation_file, membership_file, write
from farm.settings import Settings, config_file

_REGISTRY_PROGRAMS = ("docker-registry", "registry")
# What a worker's Redis user may do. Beside its keys kombu needs `time` in its scripts. Without CONFIG, MODULE and the
# like a build machine cannot get hold of the farm's machine by way of Redis.
_WORKERS_MAY = (
    "~* &* -@all +@read +@write +@pubsub +@transaction +@scripting +@connection -@dangerous +info +time -function"
)


def check_address(address: str) -> None:
    """Refuse what build machines could not reach, or what cannot be part of an image's name."""
    if not address:
        return
    if address in ("0.0.0.0", "*") or here(address):  # noqa: S104 - refused
        raise Refused(
            f"{address} is not an address that another machine can use; give the one by which build machines reach this"
            " machine, such as --listen 10.0.0.5"
        )
    if ":" in address or "/" in address or any(letter.isspace() for letter in address):
        raise Refused(
            f"{address!r} cannot be part of an image's name; give an IPv4 address or a host name alone, without a port"
        )
    if not is_free(0, address):
        raise Refused(f"{address} is not an address of this machine; `ip -br address` shows those that it has")


def check_ports(home: Path, state: State) -> None:
    """Refuse to start where another program has one of the farm's ports."""
    for part, port in state.ports.items():
        if not all(is_free(port, host) for host in {LOCAL, state.host}):
            raise Refused(
                f"port {port}, kept for the farm's {part} in {state_file(home)}, is taken by another program; end that"
                f" program, or write another port into the file (the registry's is part of every image name)"
            )


def check_member(home: Path) -> None:
    """Refuse to make a farm of a machine that builds for another one."""
    if membership_file(home).exists():
        raise Refused(
            f"this machine builds for another farm ({membership_file(home)}); run `farm worker` here, or set FARM_HOME"
            " to another folder for a farm of its own"
        )


def environment(home: Path, state: State) -> dict[str, str]:
    """Return what the Procfile's commands find in their environment; passwords are in files only they read."""
    registry = next((path for name in _REGISTRY_PROGRAMS if (path := shutil.which(name))), None)
    lacking = [
        name
        for name, path in (("redis-server", shutil.which("redis-server")), ("docker-registry", registry))
        if not path
    ]
    if lacking:
        raise Refused(f"{' and '.join(lacking)} not found; install them: apt-get install {' '.join(lacking)}")
    return {
        **{name: value for name, value in os.environ.items() if name != "FARM_DETACHED"},
        MARK: str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "FARM_HOME": str(home),
        "FARM_CONFIG": str(config_file("farm.yml").parent),
        "FARM_HOST": state.host,
        # Hooks that were installed before the farm was opened know it by this machine's own address.
        "FARM_DOORS": " ".join(f"--listen {host}:{state.api_port}" for host in _unique(LOCAL, state.host)),
        "FARM_WEB_PORT": str(state.web_port),
        "FARM_REGISTRY_PROGRAM": str(registry),
        "REGISTRY_HTTP_ADDR": f"{state.host}:{state.registry_port}",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(home / "registry"),
        "REGISTRY_HTTP_SECRET": secrets.token_hex(16),
    }


def write_redis(home: Path, state: State) -> None:
    """Write the configuration of the farm's Redis: one user for the farm itself, one for build machines."""
    path = home / "redis.conf"
    path.unlink(missing_ok=True)
    lines = [
        f'include "{config_file("redis.conf")}"',
        f"bind {' '.join(_unique(LOCAL, state.host))}",
        f"port {state.redis_port}",
        f'dir "{home / "redis"}"',
        f"requirepass {state.redis_password}",
        f"user worker on #{sha256(state.worker_password.encode()).hexdigest()} {_WORKERS_MAY}",
    ]
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")


def write_invitation(home: Path, state: State) -> None:
    """Write the file that a build machine joins with."""
    settings = Settings.load(home)
    variables = {
        "FARM_ID": state.farm_id,
        "FARM_REDIS_URL": f"redis://worker:{state.worker_password}@{state.host}:{state.redis_port}/0",
        "FARM_REGISTRY": settings.registry,
        "FARM_REGISTRY_PLAIN": str(settings.registry_plain).lower(),
        "FARM_URL": settings.url,
        "FARM_WEB_URL": settings.web_url,
        "FARM_LEASE": f"{settings.lease:g}",
        "FARM_SECRET_KEYS": state.secret_keys,
    }
    write(invitation_file(home), variables, "What a build machine needs: `farm join THIS-FILE` there. Keep it secret.")


def _unique(*names: str) -> Sequence[str]:
    return list(dict.fromkeys(names))
