"""Removes from the registry the images that nobody needs any more. It touches manifests only, and only this farm's.

A digest goes with every tag that is on it. So it stays as long as any tag holds it but those that builds name after
their commit or their ref; what else is wanted the record knows. Layers are collected by the registry itself
(docs/releases.md).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import structlog

from farm.errors import Errored
from farm.record import Record
from farm.registry import Registry

EVERY = 3600.0  # seconds between two rounds
GRACE = 7 * 86400.0  # seconds for which the image of a pipeline that ended badly waits for a retry
_BUILD = re.compile(r"build(cache)?-[0-9a-f]{12}")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Removed:
    """An image that went, the pipeline that built it, and the tags that went with it."""

    repository: str
    digest: str
    number: int
    tags: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


@dataclass(slots=True)
class Garbage:
    """What is not needed, in the registry of one farm; `keep` is how many of the newest images always stay."""

    record: Record
    registry: Registry
    farm_id: str
    keep: int

    def loop(self) -> float:
        """Remove it and say so; return after how many seconds to do it again."""
        if gone := self.collect():
            log.info("images.removed", count=len(gone))
        return EVERY

    def collect(self, *, dry_run: bool = False) -> list[Removed]:
        """Remove it, or only find it, and return what it was.

        Raises Errored when the registry is away or refuses, after all other repositories were seen to.
        """
        gone: list[Removed] = []
        wrong: Errored | None = None
        for repository, known in sorted(self.record.images().items()):
            try:
                gone.extend(self._collect(repository, known, dry_run=dry_run))
            except Errored as error:
                wrong = wrong or error
        if wrong is not None:
            raise wrong
        return gone

    def _collect(self, repository: str, known: Mapping[str, int], *, dry_run: bool) -> Iterator[Removed]:
        built, held = self._tags(repository, known)
        candidates = {digest: number for digest, number in known.items() if digest not in held}
        for digest in built.keys() - known.keys() - held:  # of attempts that never came to their end
            labels = self.registry.labels(repository, digest)
            if labels.get("farm.built.by") == self.farm_id and labels.get("farm.built.pipeline", "").isdigit():
                candidates[digest] = int(labels["farm.built.pipeline"])
        discard = partial(self.record.discard, repository, keep=self.keep, grace=GRACE)
        wrong: Errored | None = None
        for digest in discard(candidates, dry_run=True):
            number = candidates[digest]
            removed = Removed(repository, digest, number, tuple(sorted(built.get(digest, ()))))
            if dry_run:
                yield removed
            elif discard({digest: number}):  # else it was built again meanwhile
                try:
                    self.registry.delete(repository, digest)
                except Errored as error:
                    self.record.restore(repository, digest, number)
                    wrong = wrong or error
                else:
                    yield removed
        if wrong is not None:
            raise wrong

    def _tags(self, repository: str, known: Mapping[str, int]) -> tuple[dict[str, list[str]], set[str]]:
        """Return the tags of builds by their digest, and the digests that other tags hold, also within an index.

        Where the farm's own released tags shall point the record knows, whatever the registry says.
        """
        released = {intent.tag for intent in self.record.intents() if intent.repository == repository}
        built: dict[str, list[str]] = {}
        held: set[str] = set()
        for tag in self.registry.tags(repository):
            if tag in released or (digest := self.registry.digest(repository, tag)) is None:
                continue
            if _BUILD.fullmatch(tag):
                built.setdefault(digest, []).append(tag)
            elif digest not in held:
                held |= {digest, *(() if digest in known else self.registry.parts(repository, digest))}
        return built, held
