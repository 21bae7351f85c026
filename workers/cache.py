"""The layer cache that workers share: the newest image of each ref, in the registry. The layers are BuildKit's affair.

Unless the definition says otherwise a ref takes layers from its own images or those of the default branch, so that
who may push neither puts nothing into its builds. The tag of a cache keeps no image from being removed.
"""

from collections.abc import Sequence
from hashlib import sha256

from farm.errors import Errored, Failed
from farm.refs import USUAL
from workers.workspace import Workspace


def sources(work: Workspace) -> Sequence[str] | None:
    """Return the images on this engine that a build may take layers from, or None where none are wanted.

    They are pulled first: what BuildKit of Docker 20.10 takes straight from a registry is missing in the cache that the
    new image carries, so that the next empty engine would find nothing.
    """
    wanted = work.definition.build.cache
    if wanted is None:
        return None
    ref, default = work.claim.ref, f"refs/heads/{work.claim.default_branch}"
    others = () if ref == default else (default, *USUAL)
    choices = [(f"refs/heads/{name}", f"refs/tags/{name}") for name in wanted] or [(ref, *others)]
    return [image for refs in choices if (image := _newest(work, refs)) and _here(work, image)]


def keep(work: Workspace, digest: str) -> None:
    """Let the image be the newest of its ref."""
    if work.definition.build.cache is not None:
        work.registry.tag(work.claim.image_repository, digest, tag(work.claim.repository, work.claim.ref))


def tag(repository: str, ref: str) -> str:
    """Return the tag of the newest image of a ref (`refs/heads/main`); several repositories may share an image."""
    return f"buildcache-{sha256(f'{repository} {ref}'.encode()).hexdigest()[:12]}"


def _newest(work: Workspace, refs: Sequence[str]) -> str | None:
    """Return the newest image of the first of the refs that has one."""
    claim = work.claim
    tags = (tag(claim.repository, ref) for ref in dict.fromkeys(refs))
    digests = (work.registry.digest(claim.image_repository, each) for each in tags)
    return next((f"{work.repository}@{digest}" for digest in digests if digest), None)


def _here(work: Workspace, image: str) -> bool:
    """Have the image on this engine; one that cannot be had costs time, not the build."""
    try:
        work.engine.pull(image, check=work.check)
    except (Errored, Failed) as error:
        work.log.line(f"warning: this build begins without a cache: {error}")
        return False
    return True
