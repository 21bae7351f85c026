"""Images on the Docker Engine: built, pushed, pulled, listed and removed. Builds themselves are in buildkit.py."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from farm.errors import Errored
from workers.docker import blame, buildkit, values
from workers.docker.api import CONFLICT, MISSING, DockerApi, Refusal, Request, filters, messages
from workers.docker.logins import Logins
from workers.engine import BuildSpec, Built, Check, Image, Output


class Images:
    """The part of an Engine (see there) that concerns images."""

    def __init__(self, api: DockerApi, builder: str | None, logins: Logins) -> None:
        self._api = api
        self._builder = builder
        self._logins = logins

    def build(self, context: IO[bytes] | Path, spec: BuildSpec, *, log: Output, check: Check) -> Built:
        """Make an image."""
        by = self._builder or self._by(spec, log)
        before = {image.id for image in map(self.image, spec.tags) if image}
        built = buildkit.build(self._api, context, spec, self._logins, log=log, check=check, by=by)
        for replaced in before - {built.image_id}:
            self._forget(replaced)
        return built

    def _by(self, spec: BuildSpec, log: Output) -> str:
        """Return the builder: BuildKit hears of logins, as of secrets, only from a docker program."""
        known = any(map(self._logins.of, spec.registries))
        if spec.secrets or (known and buildkit.command()):
            return buildkit.COMMAND
        if known:
            log(b"warning: logins go unused, for no `docker` here has BuildKit; install docker-buildx on this worker\n")
        return buildkit.builder(self._api)

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
        headers, digest = self._headers(repository), ""
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

    def _headers(self, image: str) -> dict[str, str]:
        return {"X-Registry-Auth": self._logins.header(image)}

    def pull(self, reference: str, *, check: Check, log: Output | None = None) -> Image:
        """Return the image, fetched if need be."""
        if image := self.image(reference):
            return image
        headers = self._headers(re.split(r"[@]|:(?=[^/]*$)", reference)[0])
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
            if refusal.status == MISSING:
                return None
            raise blame.of_pull(reference, refusal.message) from refusal
        return values.image(found)

    def repositories(self, registry: str) -> Sequence[str]:
        """List a registry's repositories here."""
        found = self._api.call("GET", "/images/json")
        return sorted({name for item in found for name in values.repositories(item, registry)})

    def images(self, repository: str) -> Sequence[tuple[str, float]]:
        """List the names of a repository here, newest first."""
        found = self._api.call("GET", "/images/json", params={"filters": filters(reference=[repository])})
        names = [(name, values.made(item)) for item in found for name in values.names(item, repository)]
        return sorted(names, key=lambda name: name[1], reverse=True)

    def remove_image(self, reference: str) -> bool:
        """Take a name away."""
        try:
            self._api.call("DELETE", f"/images/{reference}")
        except Refusal as refusal:
            if refusal.status == CONFLICT:
                return False
            if refusal.status != MISSING:
                raise
        return True

    def trim_cache(self, keep: int) -> None:
        """Throw away old parts of the builders' cache."""
        self._api.call("POST", "/build/prune", params={"all": "1", "keep-storage": str(keep)})
