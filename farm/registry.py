"""A small client of an OCI registry over one kept connection: manifests, tags, digests. It never moves layers.

The names follow the OCI distribution specification 1.1. Whatever goes wrong is Errored; that something is not there is
an answer: None.
"""

import hashlib
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from farm.errors import Errored
from farm.hosts import here, host_of
from farm.login import Auth, Login, nobody

MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index, byte for byte as the registry holds it, so that its digest stays what it is."""

    digest: str
    media_type: str
    body: bytes


class Registry:
    """One registry, such as `127.0.0.1:5000`; safe to share between threads. It makes no decision about tags."""

    def __init__(
        self,
        address: str,
        *,
        login: Login = nobody,
        timeout: float = 10.0,
        user_timeout: float | None = None,
        plain: bool = False,
    ) -> None:
        """Connect lazily, by TLS unless the registry is on this machine or `plain`.

        `login` gives user and password, asked for each time that the registry wants them anew.

        After `user_timeout` seconds without an acknowledgement the kernel drops what it still holds; shorter than a
        lease it keeps a write from arriving after somebody else took the step over.
        """
        self.address = address
        options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
        if user_timeout is not None:
            options.append((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(user_timeout * 1000)))
        self._http = httpx.Client(
            base_url=root(address, plain=plain),
            auth=Auth(login),
            timeout=timeout,
            transport=httpx.HTTPTransport(socket_options=options, trust_env=not _local(address)),
            trust_env=not _local(address),
        )

    def digest(self, repository: str, reference: str) -> str | None:
        """Return the digest of a tag, or None when there is no such tag."""
        answer = self._ask("HEAD", f"{repository}/manifests/{reference}", headers=_accept())
        if answer is None:
            return None
        given = answer.headers.get("docker-content-digest", "")
        if _DIGEST.fullmatch(given):
            return str(given)
        manifest = self.manifest(repository, reference)
        return manifest.digest if manifest else None

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """Return the manifest of a tag or digest, or None when there is none."""
        answer = self._ask("GET", f"{repository}/manifests/{reference}", headers=_accept())
        if answer is None:
            return None
        digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        if reference.startswith("sha256:") and reference != digest:
            raise Errored(f"the registry {self.address} gave {digest} for {repository}@{reference}; check its storage")
        return Manifest(digest, answer.headers.get("content-type", MEDIA_TYPES[-1]), answer.content)

    def put(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Store the manifest under a tag, which moves the tag in one step. All that it names must be there already."""
        headers = {"Content-Type": manifest.media_type}
        answer = self._ask("PUT", f"{repository}/manifests/{reference}", headers=headers, content=manifest.body)
        if answer is None:
            raise Errored(f"the registry {self.address} has no repository {repository}; was its storage emptied?")

    def tag(self, repository: str, digest: str, tag: str) -> None:
        """Let the tag point to a digest that is already in the repository."""
        manifest = self.manifest(repository, digest)
        if manifest is None:
            raise Errored(f"{self.address}/{repository}@{digest} is gone from the registry; build it again")
        self.put(repository, tag, manifest)

    def tags(self, repository: str, *, page: int = 1000) -> Iterator[str]:
        """Yield the tags of a repository, page by page; none when it is unknown."""
        path: str | None = f"{repository}/tags/list?n={page}"
        while path:
            answer = self._ask("GET", path)
            if answer is None:
                return
            document = _document(answer.content)
            if "tags" not in document:  # nobody may take that for a repository without tags
                raise Errored(f"what answers at {self.address} is no registry; see what `registry` in farm.yml names")
            yield from document["tags"] or ()
            path = answer.links.get("next", {}).get("url")

    def labels(self, repository: str, digest: str) -> dict[str, str]:
        """Return the labels of an image; none where there is no such image, or no single one."""
        manifest = self.manifest(repository, digest)
        config = _document(manifest.body).get("config") if manifest else None
        answer = self._ask("GET", f"{repository}/blobs/{config['digest']}", follow=True) if config else None
        return (_document(answer.content).get("config") or {}).get("Labels") or {} if answer else {}

    def parts(self, repository: str, digest: str) -> list[str]:
        """Return the digests of the manifests that an index holds; none where it is no index."""
        manifest = self.manifest(repository, digest)
        return [part["digest"] for part in _document(manifest.body).get("manifests") or ()] if manifest else []

    def delete(self, repository: str, digest: str) -> bool:
        """Delete a manifest with every tag on it; False when it was not there."""
        return self._ask("DELETE", f"{repository}/manifests/{digest}") is not None

    def close(self) -> None:
        """Close the kept connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        follow: bool = False,
    ) -> httpx.Response | None:
        try:
            answer = self._http.request(method, path, headers=headers, content=content, follow_redirects=follow)
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise Errored(f"the registry {self.address} does not answer: {why}; is it running?") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.is_error:
            raise Errored(f"the registry {self.address} refused {method} {path}: {_words(answer)}; its log says more")
        return answer


def root(address: str, *, plain: bool) -> str:
    """Return the address of a registry's API: by TLS, unless it is on this machine or `plain`."""
    return f"{'http' if plain or _local(address) else 'https'}://{address}/v2/"


def probe(address: str, *, plain: bool, login: Login = nobody) -> httpx.Response:
    """Return what answers at a registry's address to who has this login; httpx.HTTPError where nothing does."""
    return httpx.get(root(address, plain=plain), timeout=5, auth=Auth(login), trust_env=not _local(address))


def _local(address: str) -> bool:
    """Return whether the registry is on this machine, where no proxy leads."""
    return here(host_of(address))


def split(image: str) -> tuple[str, str, str]:
    """Return registry, repository and digest (or tag) of an image's full name."""
    name, at, digest = image.partition("@")
    address, _, repository = name.partition("/")
    if at:
        return address, repository, digest
    repository, _, tag = repository.partition(":")
    return address, repository, tag or "latest"


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _accept() -> dict[str, str]:
    return {"Accept": ", ".join(MEDIA_TYPES)}


def _words(answer: httpx.Response) -> str:
    try:
        first = answer.json()["errors"][0]
        return f"{answer.status_code} {first.get('message') or first['code']}"
    except (ValueError, LookupError, TypeError, AttributeError):
        return f"{answer.status_code} {answer.reason_phrase}"
