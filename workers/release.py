"""The release stage: tags move to the digest that was built and tested. It neither pulls nor pushes an image.

The record decides and keeps the order (farm.release); this puts the manifest and reads the tag back.
"""

from farm.errors import Errored, Refused
from farm.pipeline import Status
from farm.record import Record
from farm.registry import Manifest, split
from workers.workspace import Outcome, Workspace


def run(work: Workspace, record: Record) -> Outcome:
    """Move every tag of the definition, each by an intent of its own in the record.

    A tag that a newer push has stays where it is; with no other tag released the step is superseded. Raises Errored
    when the registry is away.
    """
    repository, digest = work.claim.image_repository, split(work.claim.image or "")[2]
    manifest = work.registry.manifest(repository, digest)
    if manifest is None:
        record.lose(repository, digest)
        raise Errored(f"{work.claim.image} is gone from the registry; `farm retry {work.claim.number}` builds it again")
    released: list[str] = []
    kept: list[str] = []
    refused: list[str] = []
    for tag in work.definition.release.tags:
        try:
            reason = _move(work, record, tag, manifest)
        except Refused as error:
            refused.append(str(error))
            continue
        if reason is not None:
            kept.append(reason)
            continue
        released.append(tag)
        work.log.line(f"released {work.repository}:{tag} -> {digest}")
    for sentence in (*kept, *refused):
        work.log.line(sentence)
    result = {"released": released, "digest": digest}
    if refused:
        return Outcome(Status.FAILED, "; ".join(refused), result)
    status = Status.SUPERSEDED if kept and not released else Status.PASSED
    return Outcome(status, "; ".join(dict.fromkeys(kept)) or None, result)


def _move(work: Workspace, record: Record, tag: str, manifest: Manifest) -> str | None:
    """Move one tag and return None, or why it stays; decide anew when another release of it came in between."""
    repository, found = work.claim.image_repository, manifest.digest
    while True:
        work.guard()
        intent = record.release_begin(work.claim, tag)
        if not intent.go:
            return intent.reason or f"superseded by #{intent.winner}"
        if found != manifest.digest:
            raise Errored(f"{work.repository}:{tag} is {found} after it was put; another program writes to it")
        work.guard()
        work.registry.put(repository, tag, manifest)
        found = work.registry.digest(repository, tag) or "gone"
        if found == manifest.digest and record.release_done(work.claim, tag):
            return None
