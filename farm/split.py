"""The files of a job divided among its shards, so that all take about as long by what their tests took before. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from farm.definition import Definition, Job
from farm.errors import Failed

MOST = 100_000  # characters of one shard's list: the kernel takes no longer variable
_WORD = re.compile(r"[./\\:]+")

Files = Callable[[str], Sequence[str]]
"""The files of the commit that match a pattern."""
Seconds = Callable[[str], Mapping[str, float]]
"""How long each test took that the job of this group last reported, by the test's name."""


def group(step: str, shard: str | None) -> str:
    """Return the name under which the shards of a job are remembered together."""
    return re.sub(rf"[-./]{re.escape(shard)}$", "", step) if shard else step


def shared(definition: Definition, files: Files, seconds: Seconds) -> Definition:
    """Return the definition with each shard's files; Failed where a pattern matches none. Decided once, it stays."""
    jobs = {name: _filled(name, job, files, seconds) for name, job in definition.jobs.items()}
    return definition.model_copy(update={"jobs": jobs})


def _filled(name: str, job: Job, files: Files, seconds: Seconds) -> Job:
    if job.split is None or job.files is not None:
        return job
    found = sorted(files(job.split))
    if not found:
        raise Failed(f"{name}: no file of the commit matches the `split` {job.split}; mend the pattern")
    shard, shards = int(job.env["FARM_SHARD"]), int(job.env["FARM_SHARDS"])
    mine = divided(found, by_file(found, seconds(group(f"test/{name}", str(shard)))), shards)[shard - 1]
    if len("\n".join(mine)) > MOST:
        raise Failed(f"{name}: the names of its {len(mine)} files are too long for a variable; use more shards")
    return job.model_copy(update={"files": tuple(mine)})


def divided(files: Sequence[str], seconds: Mapping[str, float], shards: int) -> list[list[str]]:
    """Return each shard's files: the longest first, each to the shard that has least to do; by turns if none is known.

    A file that is not known counts as much as the known ones do on average.
    """
    known = [seconds[file] for file in files if file in seconds]
    usual = sum(known) / len(known) if known else 1.0
    lists: list[list[str]] = [[] for _ in range(shards)]
    loads = [0.0] * shards
    for file in sorted(files, key=lambda file: (-seconds.get(file, usual), file)):
        least = min(range(shards), key=lambda shard: (loads[shard], len(lists[shard]), shard))
        lists[least].append(file)
        loads[least] += seconds.get(file, usual)
    return [sorted(each) for each in lists]


def by_file(files: Iterable[str], tests: Mapping[str, float]) -> dict[str, float]:
    """Return how long the tests of each file took, found by the class names of JUnit: `tests.unit.test_a.TestA`.

    A class name begins with the file's name without its ending, or with the end of it: `com.acme.ATest` is of
    `src/test/java/com/acme/ATest.java`, as long as that end is of one file alone.
    """
    ends: dict[tuple[str, ...], str | None] = {}
    for file in files:
        folder, _, name = file.rpartition("/")
        words = (*folder.split("/"), name.partition(".")[0]) if folder else (name.partition(".")[0],)
        for start in range(len(words)):
            ends[words[start:]] = None if words[start:] in ends else file
    found: dict[str, float] = {}
    for test, took in tests.items():
        words = tuple(_WORD.split(test))
        for length in range(len(words), 0, -1):
            if (owner := ends.get(words[:length])) is not None:
                found[owner] = found.get(owner, 0.0) + took
                break
    return found
