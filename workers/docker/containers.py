"""Containers on the Docker Engine, and their networks: made, watched and removed. It knows no image."""

import posixpath
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from farm.errors import Errored
from workers.docker import archive, blame, values
from workers.docker.api import CONFLICT, MISSING, DockerApi, Refusal, Request, filters, frames
from workers.engine import Check, ContainerSpec, ContainerState, Entry, Exit, File, Kind, Object, Output, Owner

if TYPE_CHECKING:
    import requests

_GONE = 10.0  # seconds within which an object that is being removed is gone
_ENDED = 60.0  # seconds within which a container that is killed has ended
_PATHS: Mapping[Kind, str] = {"container": "/containers", "network": "/networks"}


class Containers:
    """The part of an Engine (see there) that concerns what runs, and what it runs in."""

    def __init__(self, api: DockerApi) -> None:
        self._api = api
        self._attached: dict[str, requests.Response] = {}
        self._lock = threading.Lock()

    def create_network(self, owner: Owner) -> str:
        """Make a network."""
        name = owner.name()
        body = {"Name": name, "Driver": "bridge", "Labels": owner.labels()}
        self._api.call("POST", "/networks/create", body=body)
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

    def kill(self, container: str) -> None:
        """End what runs in a container."""
        try:
            self._api.call("POST", f"/containers/{container}/kill")
        except Refusal as refusal:
            if refusal.status != CONFLICT:  # it has ended
                raise
        request = Request("POST", f"/containers/{container}/wait")
        try:
            for _ in self._api.follow(request, check=lambda: None, deadline=time.monotonic() + _ENDED):
                pass
        except TimeoutError:
            raise Errored("the Docker Engine does not end a container; see its own log") from None

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
        files: dict[str, File] = {}
        for wanted, _, folder, chunks in self._streams(container, patterns, check):
            left = limit - sum(len(file.content) for file in files.values())
            files |= {file.path: file for file in archive.pick(chunks, folder, wanted, left)}
        return tuple(files.values())

    def walk(self, container: str, patterns: Sequence[str], *, check: Check) -> Iterator[Entry]:
        """Give what matches, as a stream."""
        for wanted, home, folder, chunks in self._streams(container, patterns, check):
            yield from archive.walk(chunks, folder, wanted, home)

    def _streams(
        self, container: str, patterns: Sequence[str], check: Check
    ) -> Iterator[tuple[archive.Patterns, str, str, Iterator[bytes]]]:
        """Give each folder to look into once: the patterns that begin there, the container's home, itself, its tar."""
        home = self._api.call("GET", f"/containers/{container}/json")["Config"]["WorkingDir"] or "/"
        below: dict[str, list[tuple[str, str]]] = {}
        for asked in patterns:
            whole = posixpath.normpath(posixpath.join(home, asked))
            below.setdefault(archive.root(whole), []).append((asked, whole))
        for folder, wanted in below.items():
            try:
                response = self._api.open(Request("GET", f"/containers/{container}/archive", {"path": folder}))
            except Refusal as refusal:
                if refusal.status == MISSING:
                    continue
                raise
            yield wanted, home, folder, self._api.follow(response, check=check)

    def objects(self, labels: Mapping[str, str]) -> Sequence[Object]:
        """List what farms made."""
        params = {"filters": filters(label=[f"{key}={value}" for key, value in labels.items()] or ["farm.id"])}
        containers = self._api.call("GET", "/containers/json", params={"all": "1", **params})
        networks = self._api.call("GET", "/networks", params=params)
        found = (*map(values.container, containers), *map(values.network, networks))
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
                if refusal.status == MISSING:
                    return
                if refusal.status not in (403, CONFLICT) or time.monotonic() > last:
                    raise
                time.sleep(0.05)
            else:
                return
