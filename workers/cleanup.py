"""Taking away what attempts left on an engine: containers, networks, old images; never what is not ours."""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from farm import git
from farm.errors import Errored
from farm.settings import Settings
from workers.engine import Engine, Object, Owner

KEEP = 10  # images of a repository that stay on an engine, so that the next build and test find them there


def remove_older(engine: Engine, owner: Owner) -> int:
    """Remove what older fences of the same step left here; return how many objects that were."""
    labels = owner.labels()
    same_step = {key: labels[key] for key in ("farm.id", "farm.pipeline", "farm.step")}
    return _remove(engine, (item for item in engine.objects(same_step) if item.owner.fence < owner.fence))


def remove_step(engine: Engine, owner: Owner) -> int:
    """Remove what any attempt at a step has left here; return how many objects that were."""
    labels = owner.labels()
    return _remove(engine, engine.objects({key: labels[key] for key in ("farm.id", "farm.pipeline", "farm.step")}))


def sweep(engine: Engine, farm_id: str, alive: Callable[[Owner], bool]) -> int:
    """Remove what no attempt needs any more; return how many objects that were.

    Of this farm that is what `alive` denies; it is asked after the objects were listed, so that a new attempt is never
    taken for a dead one. Of another farm, which may share the engine or be gone for good, it is what has expired.
    """
    engine.sweep()
    listed, now = engine.objects({}), time.time()
    return _remove(
        engine,
        (
            item
            for item in listed
            if (not alive(item.owner) if item.owner.farm == farm_id else item.owner.expires < now)
        ),
    )


def trim(engine: Engine, settings: Settings) -> None:
    """Bring what makes the next step faster, but grows, back to its limits: images, the builders' cache, mirrors.

    What cannot be trimmed holds up nothing else; its error passes through at the end.
    """
    with ExitStack() as parts:
        parts.callback(engine.trim_cache, settings.build_cache_max)
        parts.callback(git.trim, settings.home, settings.mirrors_max)
        for repository in engine.repositories(settings.registry):
            parts.callback(trim_images, engine, repository)


def trim_images(engine: Engine, repository: str, keep: int = KEEP) -> int:
    """Remove the names that builds gave to all but the newest images of a repository; return how many.

    Other names, such as a `latest` that somebody pulled to run it, stay, and so does what a container still uses.
    """
    names = [name for name, _ in engine.images(repository)]
    ours = [name for name in names if name.startswith((f"{repository}:build-", f"{repository}@"))]
    return sum(engine.remove_image(name) for name in ours[keep:])


def _remove(engine: Engine, items: Iterable[Object]) -> int:
    removed, wrong = 0, None
    for item in items:
        try:
            engine.remove(item.kind, item.id)
            removed += 1
        except Errored as error:  # one that resists does not save the others
            wrong = wrong or error
    if wrong is not None:
        raise wrong
    return removed
