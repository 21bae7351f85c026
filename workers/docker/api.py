"""Calls to the Docker Engine over kept connections. It knows HTTP and whether somebody answers, not what calls mean."""

import json
import os
import socket
import threading
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import docker
import requests
import urllib3
from docker.transport.unixconn import UnixHTTPConnection
from docker.utils import kwargs_from_env

from farm.errors import Errored
from workers.docker.blame import away
from workers.engine import Check
from workers.stream import watched

MISSING, CONFLICT = 404, 409  # statuses of a Refusal
_CONNECT = 10.0
_PATIENT = 10  # seconds that a busy one may take where its silence would cost a step
_SOON = 1  # seconds: one that works says that it is there in a millisecond
_ANSWER = 120.0  # seconds: a busy engine takes long to remove a big container


def _connect(connection: UnixHTTPConnection) -> None:
    """Connect as docker-py does; but close the socket where nobody answers, which docker-py leaves open (7.2)."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        door.settimeout(connection.timeout)
        door.connect(connection.unix_socket)
    except BaseException:
        door.close()
        raise
    connection.sock = door


UnixHTTPConnection.connect = _connect  # type: ignore[assignment, method-assign]


class Refusal(Errored):
    """The engine answered with an error: `status` is HTTP's, `message` its own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return str(away(self.message) or f"the Docker Engine refuses: {' '.join(self.message.split())}")


@dataclass(frozen=True, slots=True)
class Request:
    """A call whose answer is read bit by bit; `data` is sent as it comes."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    body: object = None
    data: Iterable[bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class DockerApi:
    """The engine's HTTP interface at one address (DOCKER_HOST, else the usual socket). Safe for threads and forks."""

    def __init__(self, url: str | None = None) -> None:
        self._settings: dict[str, Any] = {**kwargs_from_env()}
        if url is not None:
            self._settings["base_url"] = url
        self.url: str = self._settings.get("base_url") or "unix:///var/run/docker.sock"
        self._lock = threading.Lock()
        self._kept: tuple[int, docker.APIClient] | None = None

    def answers(self) -> bool:
        """Say whether the engine takes requests; a few seconds at most. One that ends still serves old connections."""
        try:
            with self._fresh(_SOON) as client:
                return bool(client.ping())
        except (Errored, OSError, urllib3.exceptions.HTTPError):
            return False

    @property
    def version(self) -> tuple[int, ...]:
        """The version of the interface that both sides speak."""
        return tuple(int(part) for part in self._client().api_version.split("."))

    def call(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: object = None) -> Any:
        """Make one short call and return its JSON (or None); raises Refusal for an answer that is an error."""
        response = self._ask(Request(method, path, params or {}, body), stream=False)
        return response.json() if response.content else None

    def open(self, request: Request) -> requests.Response:
        """Make a call and return as soon as its answer begins; close it or follow it."""
        return self._ask(request, stream=True)

    def follow(
        self, answer: Request | requests.Response, *, check: Check, deadline: float | None = None
    ) -> Iterator[bytes]:
        """Give what an answer brings as soon as it is there, until its end; stopping closes the connection."""
        responses: list[requests.Response] = []
        stopped = threading.Event()

        def source() -> Generator[bytes]:
            response = self.open(answer) if isinstance(answer, Request) else answer
            responses.append(response)
            try:
                with self._translated():
                    while not stopped.is_set() and (chunk := response.raw.read1(65536)):
                        yield chunk
            finally:
                response.close()

        def stop() -> None:
            stopped.set()
            for response in responses:
                with suppress(Exception):  # it may just have ended by itself
                    response.raw.shutdown()

        return watched(source(), check=check, stop=stop, deadline=deadline)

    @contextmanager
    def unbroken(self) -> Iterator[Callable[[], None]]:
        """Give a callable that raises Errored if the engine has ended, or begun to end, since the `with` began.

        A connection that is open since then proves that it has not ended. It takes no new ones from the moment on at
        which it is told to end, before it kills what runs; where the system keeps its door open (systemd's socket),
        the answer comes from its successor, and then the old connection is closed.
        """
        ended = threading.Event()
        kept = self.open(Request("GET", "/events", {"filters": filters(type=["daemon"])}))

        def listen() -> None:
            with suppress(Exception):  # however it ends, it has ended
                while kept.raw.read1(4096):
                    pass
            ended.set()

        def check() -> None:
            with self._fresh(_PATIENT) as client:
                client.ping()
            if ended.is_set():
                raise Errored(f"the Docker Engine at {self.url} was started anew meanwhile; what ran on it was killed")

        listener = threading.Thread(target=listen, name="engine's life", daemon=True)
        listener.start()
        try:
            yield check
        finally:
            with suppress(Exception):  # it may just have ended by itself
                kept.raw.shutdown()
            listener.join(_CONNECT)
            kept.close()

    @contextmanager
    def _fresh(self, seconds: int) -> Iterator[docker.APIClient]:
        """Give a client with a connection of its own that waits so long for an answer, and for nobody else's."""
        kept = self._kept
        with self._translated():
            version = kept[1].api_version if kept else "auto"
            client = docker.APIClient(version=version, timeout=seconds, **self._settings)
            try:
                yield client
            finally:
                client.close()

    def _ask(self, request: Request, *, stream: bool) -> requests.Response:
        client = self._client()
        with self._translated():
            response = client.request(
                request.method,
                f"{client.base_url}/v{client.api_version}{request.path}",
                params=request.params,
                json=request.body,
                data=request.data,
                headers=dict(request.headers),
                stream=stream,
                timeout=(_CONNECT, None if stream else _ANSWER),
            )
            _raise(response)
            return response

    def _client(self) -> docker.APIClient:
        with self._lock:
            # A connection that a fork shares with its parent would mix their answers.
            if self._kept is None or self._kept[0] != os.getpid():
                with self._translated():
                    client = docker.APIClient(version="auto", timeout=int(_CONNECT), **self._settings)
                client.headers["Accept-Encoding"] = "identity"  # answers are read as they come
                weakref.finalize(self, client.close)
                self._kept = (os.getpid(), client)
            return self._kept[1]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (requests.RequestException, urllib3.exceptions.HTTPError, docker.errors.DockerException) as error:
            raise Errored(self._silence(str(error))) from error

    def _silence(self, cause: str) -> str:
        if "Permission denied" in cause:
            return f"the Docker Engine at {self.url} lets this user not in; add the user to the group `docker`"
        return f"the Docker Engine at {self.url} does not answer; start it or set DOCKER_HOST ({cause[-160:]})"


def filters(**wanted: Sequence[str]) -> str:
    """Return what a listing is narrowed down by, as the engine takes it."""
    return json.dumps(wanted)


def messages(chunks: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """Split an answer into its JSON messages, one a line."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)
    if rest.strip():
        yield json.loads(rest)


def frames(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Take the engine's frames (stream, 3 zero bytes, length in 4 bytes) off the output of a container."""
    rest = b""
    for chunk in chunks:
        rest += chunk
        while len(rest) >= 8 and len(rest) >= 8 + (size := int.from_bytes(rest[4:8], "big")):  # noqa: PLR2004
            yield rest[8 : 8 + size]
            rest = rest[8 + size :]


def _raise(response: requests.Response) -> None:
    if response.status_code < requests.codes.bad_request:
        return
    try:
        message = str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        message = response.text or response.reason
    raise Refusal(response.status_code, message)
