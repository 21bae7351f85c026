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
        raise Errored(f"{work.claim.image} is gone from the registry; push again to build it again")
    released: list[str] = []
    kept: list[str] = []
    refused: list[str] = []
    for tag in work.definition.release.tags:
        work.guard()
        try:
            intent = record.release_begin(work.claim, tag)
        except Refused as error:
            refused.append(str(error))
            continue
        if not intent.go:
            kept.append(intent.reason or f"superseded by #{intent.winner}")
            continue
        _put(work, repository, tag, manifest)
        record.release_done(work.claim, tag)
        released.append(tag)
        work.log.line(f"released {work.repository}:{tag} -> {digest}")
    for sentence in (*kept, *refused):
        work.log.line(sentence)
    result = {"released": released, "digest": digest}
    if refused:
        return Outcome(Status.FAILED, "; ".join(refused), result)
    status = Status.SUPERSEDED if kept and not released else Status.PASSED
    return Outcome(status, "; ".join(dict.fromkeys(kept)) or None, result)


def _put(work: Workspace, repository: str, tag: str, manifest: Manifest) -> None:
    work.guard()
    work.registry.put(repository, tag, manifest)
    found = work.registry.digest(repository, tag)
    if found != manifest.digest:
        raise Errored(f"{work.repository}:{tag} is {found} after it was put; another program writes to this registry")
