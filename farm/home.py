"""What `farm up` chose once for this machine: ports, passwords, the farm's id. It knows nothing of what runs.

The registry's address is part of every image name, so nothing here changes once it is chosen.
"""

import json
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from farm.errors import Refused

LOCAL = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class State:
    """The content of FARM_HOME/state.json; whoever can read it owns the farm."""

    farm_id: str
    redis_port: int
    registry_port: int
    api_port: int
    web_port: int
    token: str = field(repr=False)
    redis_password: str = field(repr=False)
    cookie_secret: str = field(repr=False)  # what Flower signs its cookies with (config/flowerconfig.py)
    listen: str = ""  # the address by which build machines reach this one; nothing while it is open to itself alone
    worker_password: str = field(default="", repr=False)
    web_password: str = field(default="", repr=False)
    secret_keys: str = field(default="", repr=False)  # with commas; the first seals secrets, all open them

    @property
    def host(self) -> str:
        """Return the address that is written into image names and links."""
        return self.listen or LOCAL

    @property
    def ports(self) -> dict[str, int]:
        """Return the ports by the name of the part that listens on them."""
        return {
            "redis": self.redis_port,
            "registry": self.registry_port,
            "dispatcher": self.api_port,
            "flower": self.web_port,
        }

    def settings(self) -> dict[str, str | tuple[str, ...]]:
        """Return the settings that follow from the state."""
        return {
            "farm_id": self.farm_id,
            "redis_url": f"redis://:{self.redis_password}@{LOCAL}:{self.redis_port}/0",
            "registry": f"{self.host}:{self.registry_port}",
            "url": f"http://{self.host}:{self.api_port}",
            "web_url": f"http://{self.host}:{self.web_port}",
            "token": self.token,
            "secret_keys": tuple(key for key in self.secret_keys.split(",") if key),
            **({"registry_plain": "true"} if self.listen else {}),
        }


def default_home() -> Path:
    """Return FARM_HOME, or the place where state belongs: /var/lib/farm for root, the XDG state folder for others."""
    if home := os.environ.get("FARM_HOME"):
        return Path(home).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/farm")
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local/state") / "farm"


def state_file(home: Path) -> Path:
    """Return where the state of this home is kept."""
    return home / "state.json"


def read_state(home: Path) -> State | None:
    """Return the state, or None where `farm up` never ran."""
    path = state_file(home)
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Refused(f"{path} belongs to another user; run this as its owner, or set FARM_HOME") from None
    try:
        document = json.loads(text)
        return State(**{key.name: document[key.name] for key in fields(State) if key.name in document})
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{path} is damaged; restore it from a backup, or move {home} away to start anew") from None


def choose_state(home: Path) -> State:
    """Return the state, chosen now if this is the first start; two starts at once agree on one."""
    if known := read_state(home):
        return known
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    redis, registry, api, web = free_ports(4)
    state = State(
        farm_id=secrets.token_hex(6),
        redis_port=redis,
        registry_port=registry,
        api_port=api,
        web_port=web,
        token=secrets.token_urlsafe(32),
        redis_password=secrets.token_urlsafe(32),
        cookie_secret=secrets.token_urlsafe(32),
        secret_keys=new_key(),
    )
    draft = _draft(home, state)
    try:
        os.link(draft, state_file(home))
    except FileExistsError:
        return choose_state(home)
    finally:
        draft.unlink()
    return state


def open_state(home: Path, state: State, listen: str) -> State:
    """Return the state with what build machines need, chosen now if it was not; only who holds the farm may call it."""
    if state.listen and listen and listen != state.listen:
        raise Refused(
            f"this farm listens on {state.listen}, which is in the name of every image that it made; with {listen}"
            f" these names and the build machines that joined would lead nowhere. Give {state.listen} to this"
            f" machine as a further address, or start a new farm with another FARM_HOME"
        )
    opened = replace(
        state,
        listen=state.listen or listen,
        worker_password=state.worker_password or secrets.token_urlsafe(32),
        web_password=state.web_password or secrets.token_urlsafe(12),
        secret_keys=state.secret_keys or new_key(),
    )
    if opened != state:
        _draft(home, opened).rename(state_file(home))
    return opened


def keep_keys(home: Path, state: State, keys: Sequence[str]) -> State:
    """Return the state with these keys for secrets, written down; a reader sees the old ones or the new ones."""
    changed = replace(state, secret_keys=",".join(keys))
    _draft(home, changed).rename(state_file(home))
    return changed


def new_key() -> str:
    """Return a new key for secrets: 256 random bits in hex."""
    return secrets.token_hex(32)


def _draft(home: Path, state: State) -> Path:
    """Write the state beside its file, for its owner's eyes alone and safe from a power cut."""
    draft = state_file(home).with_name(f".state.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(state), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    return draft


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on at this moment, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOCAL, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def is_free(port: int, host: str = LOCAL) -> bool:
    """Return whether nobody listens on the port of this machine's address; 0 asks for the address alone."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
