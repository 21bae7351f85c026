"""What opens registries for this worker: its own settings, else what `docker login` has stored. It asks no registry.

Each login is shown to its own registry alone, in a header or in a file that is gone after the build; no container and
no image ever has it.
"""

import base64
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from docker.auth import INDEX_URL, load_config, resolve_authconfig, resolve_repository_name
from docker.errors import DockerException

from farm.errors import Errored, Refused
from farm.settings import RegistrySettings

HUB = "docker.io"


class Logins:
    """The logins by the registry's host; Docker Hub is `docker.io`."""

    def __init__(self, settings: Mapping[str, RegistrySettings] | None = None) -> None:
        self._own = dict(settings or {})

    def header(self, image: str) -> str:
        """Return what the engine is told with the pull or push of an image: JSON as the engine's API wants it."""
        host, _ = resolve_repository_name(image)
        return base64.urlsafe_b64encode(json.dumps(self.of(host) or {}).encode()).decode()

    def of(self, host: str) -> Mapping[str, Any] | None:
        """Return the login for a registry, or None. Raises Errored if its password cannot be read."""
        if own := self._own.get(host):
            try:
                password = own.password.reveal()
            except Refused as error:
                raise Errored(f"registries: {host}: {error}") from error
            return {"username": own.user, "password": password, "serveraddress": _address(host)}
        try:
            return resolve_authconfig(load_config(), host) or None
        except DockerException as error:
            raise Errored(f"what `docker login` has stored for {host} cannot be read: {error}; log in again") from error

    def file(self, folder: Path, hosts: Iterable[str]) -> bool:
        """Write the logins for these registries as a configuration of the docker program; False if there are none."""
        known = {_address(host): login for host in hosts if (login := self.of(host))}
        if not known:
            return False
        auths = {address: _auth(login) for address, login in known.items()}
        with os.fdopen(os.open(folder / "config.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"auths": auths}, file)
        plugins = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
        if plugins.is_dir():
            (folder / "cli-plugins").symlink_to(plugins)
        return True


def _address(host: str) -> str:
    return INDEX_URL if host == HUB else host


def _auth(login: Mapping[str, Any]) -> Mapping[str, str]:
    if token := login.get("IdentityToken") or login.get("identitytoken"):
        return {"identitytoken": token}
    return {"auth": base64.b64encode(f"{login['username']}:{login['password']}".encode()).decode()}
