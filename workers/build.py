"""The build stage: the tree of a commit becomes an image in the registry. It runs nothing of what it has built."""

from collections.abc import Sequence
from datetime import UTC, datetime

from farm import git
from farm.definition import reserved
from farm.errors import Failed
from farm.pipeline import Status
from workers import bed, cache, cleanup
from workers.bases import registries
from workers.engine import BuildSpec, Built
from workers.source import context, dockerfile
from workers.tree import Tree, gather
from workers.workspace import Outcome, Workspace


def run(work: Workspace) -> Outcome:
    """Build and push the image; the digest that the registry gave it is its identity from here on.

    Raises Failed for what is wrong with the pushed code, Errored when git, engine or registry are at fault.
    """
    claim = work.claim
    with bed.Preparation(work) as preparation:
        tree = gather(work)
        tag = f"build-{tree.commit[:12]}"
        for extra in work.definition.build.tags:
            _free(work, extra)
        built = make(work, tree, (f"{work.repository}:{tag}",), cache_from=cache.sources(work))
        work.guard()
        digest = work.engine.push(built.image_id, work.repository, (tag,), check=work.check)
        work.guard()
        work.registry.tag(claim.image_repository, digest, "build")
        cache.keep(work, digest)
        for extra in work.definition.build.tags:
            _free(work, extra)
            work.guard()
            work.registry.tag(claim.image_repository, digest, extra)
            work.log.line(f"tagged {work.repository}:{extra}")
        prepared = preparation.document()
    image = f"{work.repository}@{digest}"
    work.log.line(f"pushed {image}")
    if not prepared:  # else the test that is about to start here does it after its end
        work.teardown.callback(cleanup.trim_images, work.engine, work.repository)
    result = {"image": image, "image_id": built.image_id, "builder": built.builder, **prepared}
    return Outcome(Status.PASSED, result=result)


def make(work: Workspace, tree: Tree, names: Sequence[str], *, cache_from: Sequence[str] | None = None) -> Built:
    """Build the image of a tree and give it these names on the engine; nothing is pushed."""
    build = work.definition.build
    spec = BuildSpec(
        dockerfile=build.dockerfile,
        target=build.target,
        args=build.args,
        secrets={name: value.encode() for name, value in work.secrets.items()},
        labels={**_labels(work, tree.commit), **build.labels},
        tags=names,
        cache_from=cache_from,
        registries=registries(dockerfile(tree, build), build.args),
    )
    with context(tree, build) as stream:
        return work.engine.build(stream, spec, log=work.log.write, check=work.check)


def _free(work: Workspace, tag: str) -> None:
    """Raise Failed for a tag that no build may move: what a release names has passed its tests."""
    owner = work.owner_of(tag)
    if owner or reserved(tag) or tag in work.definition.release.tags:
        whose = f"releases of {owner}" if owner else "releases and the farm itself"
        raise Failed(f"build.tags: `{tag}` belongs to {whose}; choose another name, such as dev-{{branch}}")


def _labels(work: Workspace, commit: str) -> dict[str, str]:
    """Return the annotations of the OCI image specification, and from which pipeline the image comes."""
    return {
        "org.opencontainers.image.created": datetime.now(UTC).isoformat(timespec="seconds"),
        "org.opencontainers.image.revision": commit,
        "org.opencontainers.image.source": git.shown(work.claim.url),
        "org.opencontainers.image.title": work.claim.image_repository,
        "farm.built.by": work.owner.farm,
        "farm.built.pipeline": str(work.claim.number),
    }
