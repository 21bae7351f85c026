"""The Docker Engine behind workers.engine's Protocol, put together. The calls are in api.py."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from farm.errors import Errored
from farm.settings import RegistrySettings
from workers.docker import buildkit, holder, private, values
from workers.docker.api import DockerApi, Request
from workers.docker.containers import Containers
from workers.docker.images import Images
from workers.docker.logins import Logins
from workers.engine import ContainerSpec, EngineInfo, Owner


class DockerEngine(Images, Containers):
    """An Engine (see there) at DOCKER_HOST or an address such as `unix:///var/run/docker.sock`."""

    def __init__(
        self,
        url: str | None = None,
        *,
        builder: str | None = None,
        registries: Mapping[str, RegistrySettings] | None = None,
    ) -> None:
        api = DockerApi(url)
        Images.__init__(self, api, builder, Logins(registries))
        Containers.__init__(self, api)
        self._holder: tuple[tuple[str, bytes] | None] | None = None  # asked for once

    def answers(self) -> bool:
        """Say whether the engine takes requests."""
        return self._api.answers()

    def info(self) -> EngineInfo:
        """Say what the engine is."""
        info = self._api.call("GET", "/info")
        return EngineInfo(
            version=info["ServerVersion"],
            storage=info["Driver"],
            builder=self._builder or buildkit.builder(self._api),
            architecture=info["Architecture"],
            cpus=info["NCPU"],
            memory=info["MemTotal"],
            root=Path(info["DockerRootDir"]) if self._api.url.startswith("unix:") else None,
        )

    def unbroken(self) -> AbstractContextManager[Callable[[], None]]:
        """Watch over the engine's life."""
        return self._api.unbroken()

    def sweep(self) -> None:
        """Take away what builds of killed processes were given."""
        private.sweep()

    def hold(self, owner: Owner, network: Callable[[], str]) -> str | None:
        """Start a container that keeps a place in a network open."""
        if self._holder is None:
            self._holder = (holder.image(self._api.call("GET", "/version")["Arch"]),)
        [made] = self._holder
        if made is None:
            return None
        image, content = made
        if self.image(image) is None:
            request = Request("POST", "/images/load", {"quiet": "1"}, data=iter((content,)))
            b"".join(self._api.follow(request, check=lambda: None))
        name = owner.name("network")
        try:
            body = values.holding(ContainerSpec(owner, image, capabilities=()))
            self._api.call("POST", "/containers/create", params={"name": name}, body=body)
            self._api.call("POST", f"/containers/{name}/start")
            place = network()
            self._api.call("POST", "/networks/none/disconnect", body={"Container": name, "Force": True})
            self._api.call("POST", f"/networks/{place}/connect", body={"Container": name})
        except BaseException:
            with suppress(Errored):  # what follows says more; cleanup finds the rest by its labels
                self.remove("container", name)
            raise
        return name
