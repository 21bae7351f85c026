"""The Docker Engine behind workers.engine's Protocol. Builds are in buildkit.py, the calls in docker_api.py."""

import json
import posixpath
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from farm.errors import Errored
from workers.docker import archive, blame, buildkit, holder, values
from workers.docker.api import DockerApi, Refusal, Request, frames, messages
from workers.engine import (
    BuildSpec,
    Built,
    Check,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    Exit,
    File,
    Image,
    Kind,
    Object,
    Output,
    Owner,
)

if TYPE_CHECKING:
    import requests

_MISSING, _CONFLICT = 404, 409
_GONE = 10.0  # seconds within which an object that is being removed is gone
_PATHS: Mapping[Kind, str] = {"container": "/containers", "network": "/networks", "volume": "/volumes"}


class DockerEngine:
    """An Engine (see there) at DOCKER_HOST or an address such as `unix:///var/run/docker.sock`."""

    def __init__(self, url: str | None = None, *, builder: str | None = None) -> None:
        self._api = DockerApi(url)
        self._builder = builder
        self._attached: dict[str, requests.Response] = {}
        self._lock = threading.Lock()
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

    def build(self, context: IO[bytes] | Path, spec: BuildSpec, *, log: Output, check: Check) -> Built:
        """Make an image."""
        by = self._builder or (buildkit.COMMAND if spec.secrets else buildkit.builder(self._api))
        before = {image.id for image in map(self.image, spec.tags) if image}
        built = buildkit.build(self._api, context, spec, log=log, check=check, by=by)
        for replaced in before - {built.image_id}:
            self._forget(replaced)
        return built

    def _forget(self, image_id: str) -> None:
        """Remove an image that has lost its last tag to a newer one, unless a container needs it."""
        with suppress(Refusal):
            if not self._api.call("GET", f"/images/{image_id}/json")["RepoTags"]:
                self._api.call("DELETE", f"/images/{image_id}")

    def push(self, image_id: str, repository: str, tags: Sequence[str], *, check: Check) -> str:
        """Push an image under each tag."""
        digest = ""
        for tag in tags:
            self._api.call("POST", f"/images/{image_id}/tag", params={"repo": repository, "tag": tag})
            digest = self._push(repository, tag, check)
        return digest

    def _push(self, repository: str, tag: str, check: Check) -> str:
        name = f"{repository}:{tag}"
        headers, digest = self._api.credentials(repository), ""
        try:
            path = f"/images/{repository}/push"
            request = Request("POST", path, params={"tag": tag}, headers=headers)
            for message in messages(self._api.follow(request, check=check)):
                if "error" in message:
                    raise blame.of_push(name, message["error"])
                digest = (message.get("aux") or {}).get("Digest", digest)
        except Refusal as refusal:
            raise blame.of_push(name, refusal.message) from refusal
        if not digest:
            raise Errored(f"the Docker Engine broke the push of {name} off without a word; see its own log")
        return digest

    def pull(self, reference: str, *, check: Check, log: Output | None = None) -> Image:
        """Return the image, fetched if need be."""
        if image := self.image(reference):
            return image
        headers = self._api.credentials(re.split(r"[@]|:(?=[^/]*$)", reference)[0])
        named = reference if re.search(r"@|:[^/]*$", reference) else f"{reference}:latest"
        try:
            request = Request("POST", "/images/create", params={"fromImage": named}, headers=headers)
            for message in messages(self._api.follow(request, check=check)):
                if "error" in message:
                    raise blame.of_pull(reference, message["error"])
                if log and not message.get("progressDetail"):
                    log(f"{': '.join(filter(None, (message.get('id'), message.get('status'))))}\n".encode())
        except Refusal as refusal:
            raise blame.of_pull(reference, refusal.message) from refusal
        if image := self.image(reference):
            return image
        raise Errored(f"the Docker Engine broke the pull of {reference} off without a word; see its own log")

    def image(self, reference: str) -> Image | None:
        """Return an image that is here, or None."""
        try:
            found = self._api.call("GET", f"/images/{reference}/json")
        except Refusal as refusal:
            if refusal.status == _MISSING:
                return None
            raise blame.of_pull(reference, refusal.message) from refusal
        return values.image(found)

    def repositories(self, registry: str) -> Sequence[str]:
        """List a registry's repositories here."""
        found = self._api.call("GET", "/images/json")
        return sorted({name for item in found for name in values.repositories(item, registry)})

    def images(self, repository: str) -> Sequence[tuple[str, float]]:
        """List the names of a repository here, newest first."""
        found = self._api.call("GET", "/images/json", params={"filters": _filters(reference=[repository])})
        names = [(name, float(item["Created"])) for item in found for name in values.names(item, repository)]
        return sorted(names, key=lambda name: name[1], reverse=True)

    def remove_image(self, reference: str) -> bool:
        """Take a name away."""
        try:
            self._api.call("DELETE", f"/images/{reference}")
        except Refusal as refusal:
            if refusal.status == _CONFLICT:
                return False
            if refusal.status != _MISSING:
                raise
        return True

    def trim_cache(self, keep: int) -> None:
        """Throw away old parts of the builders' cache."""
        self._api.call("POST", "/build/prune", params={"all": "1", "keep-storage": str(keep)})

    def create_network(self, owner: Owner, *, internal: bool = False) -> str:
        """Make a network."""
        name = owner.name()
        body = {"Name": name, "Driver": "bridge", "Internal": internal, "Labels": owner.labels()}
        self._api.call("POST", "/networks/create", body=body)
        return name

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

    def create_volume(self, owner: Owner) -> str:
        """Make a volume."""
        name = owner.name()
        self._api.call("POST", "/volumes/create", body={"Name": name, "Labels": owner.labels()})
        return name

    def start(self, spec: ContainerSpec, *, tree: Iterable[bytes] | None = None) -> str:
        """Start a container; attached before, so that nothing it says is missed."""
        name = spec.owner.name(spec.word)
        try:
            self._api.call("POST", "/containers/create", params={"name": name}, body=values.creation(spec))
            if tree is not None:
                self._api.open(Request("PUT", f"/containers/{name}/archive", {"path": "/"}, data=tree)).close()
            if spec.attach:
                params = {"stream": "1", "stdout": "1", "stderr": "1"}
                response = self._api.open(Request("POST", f"/containers/{name}/attach", params))
                with self._lock:
                    self._attached[name] = response
            self._api.call("POST", f"/containers/{name}/start")
        except BaseException as error:
            with suppress(Errored):  # what follows says more; cleanup finds the rest by its labels
                self.remove("container", name)
            if isinstance(error, Refusal):
                raise blame.of_start(spec.image, error.message) from error
            raise
        return name

    def wait(
        self, container: str, *, check: Check, output: Output | None = None, deadline: float | None = None
    ) -> Exit:
        """Wait for a container's end."""
        with self._lock:
            attached = self._attached.pop(container, None)
        if attached is not None:
            for piece in frames(self._api.follow(attached, check=check, deadline=deadline)):
                if output is not None:
                    output(piece)
        request = Request("POST", f"/containers/{container}/wait")
        for _ in self._api.follow(request, check=check, deadline=deadline):
            pass
        ended = self.state(container).exit
        if ended is None:
            raise Errored("the Docker Engine broke the wait for a container off; see its own log")
        return ended

    def exec(
        self,
        container: str,
        command: Sequence[str],
        *,
        check: Check,
        output: Output | None = None,
        deadline: float | None = None,
    ) -> Exit:
        """Run a command in a running container."""
        body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True}
        made = self._api.call("POST", f"/containers/{container}/exec", body=body)["Id"]
        begin = {"Detach": False, "Tty": False}
        request = Request("POST", f"/exec/{made}/start", body=begin)
        for piece in frames(self._api.follow(request, check=check, deadline=deadline)):
            if output is not None:
                output(piece)
        return Exit(self._api.call("GET", f"/exec/{made}/json")["ExitCode"])

    def state(self, container: str) -> ContainerState:
        """Say how a container stands."""
        found = self._api.call("GET", f"/containers/{container}/json")
        return values.state(found)

    def tail(self, container: str, lines: int) -> bytes:
        """Return a container's last lines."""
        params = {"stdout": "1", "stderr": "1", "tail": str(lines)}
        request = Request("GET", f"/containers/{container}/logs", params=params)
        return b"".join(frames(self._api.follow(request, check=lambda: None, deadline=time.monotonic() + _GONE)))

    def read(self, container: str, patterns: Sequence[str], *, limit: int, check: Check) -> Sequence[File]:
        """Read the files that match."""
        home = self._api.call("GET", f"/containers/{container}/json")["Config"]["WorkingDir"] or "/"
        files: dict[str, File] = {}
        for relative in patterns:
            pattern = posixpath.normpath(posixpath.join(home, relative))
            folder, left = archive.root(pattern), limit - sum(len(file.content) for file in files.values())
            path, params = f"/containers/{container}/archive", {"path": folder}
            try:
                response = self._api.open(Request("GET", path, params))
            except Refusal as refusal:
                if refusal.status == _MISSING:
                    continue
                raise
            chunks = self._api.follow(response, check=check)
            files |= {file.path: file for file in archive.pick(chunks, folder, pattern, left)}
        return tuple(files.values())

    def objects(self, labels: Mapping[str, str]) -> Sequence[Object]:
        """List what farms made."""
        params = {"filters": _filters(label=[f"{key}={value}" for key, value in labels.items()] or ["farm.id"])}
        containers = self._api.call("GET", "/containers/json", params={"all": "1", **params})
        networks = self._api.call("GET", "/networks", params=params)
        volumes = self._api.call("GET", "/volumes", params=params)["Volumes"] or ()
        found = (*map(values.container, containers), *map(values.network, networks), *map(values.volume, volumes))
        return tuple(item for item in found if item is not None)

    def remove(self, kind: Kind, name: str) -> None:
        """Kill and remove an object; wait for whoever removes it at the same time or still holds it."""
        with self._lock:
            attached = self._attached.pop(name, None)
        if attached is not None:
            attached.close()
        params = {"force": "1", "v": "1"} if kind == "container" else {}
        path, last = f"{_PATHS[kind]}/{quote(name)}", time.monotonic() + _GONE
        while True:
            try:
                self._api.call("DELETE", path, params=params)
            except Refusal as refusal:
                if refusal.status == _MISSING:
                    return
                if refusal.status not in (403, _CONFLICT) or time.monotonic() > last:
                    raise
                time.sleep(0.05)
            else:
                return


def _filters(**filters: Sequence[str]) -> str:
    return json.dumps(filters)
