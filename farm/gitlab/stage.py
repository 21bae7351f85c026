"""The test stage of a `.gitlab-ci.yml`: names, needs and rows of its jobs, and what they share."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farm.gitlab.jobs import TestJob
from farm.gitlab.merged import flat, lines
from farm.gitlab.notes import Notes
from farm.gitlab.source import List, Map
from farm.gitlab.when import When

_WHY = {
    "cache": "is left out: layers of the build are cached by themselves, and jobs start from the image",
    "environment": "is left out: the farm ends with the released image",
    "id_tokens": "is left out: the farm gives out no tokens",
    "resource_group": "is left out: a release is in order by itself",
    "dependencies": "is left out: artifacts are not handed on",
}


_ORDER = (
    *("image", "needs", "when", "matrix", "parallel", "checkout", "env", "secrets", "services", "script"),
    *("reports", "artifacts", "timeout", "retry", "allow_failure", "runs_on"),
)


@dataclass(slots=True)
class Tested:
    """A job that tests, before it is written."""

    name: str
    stage: str
    job: Map
    env: dict[str, str]
    when: When
    limits: dict[str, Any] = field(default_factory=dict)
    """Its `when` here."""


def tests(
    tested: Sequence[Tested], stages: Sequence[str], built: Sequence[str], builders: Collection[str], notes: Notes
) -> Any:
    """Return what stands under `test`; `built` are the names of the image that is built, `builders` its jobs."""
    names = _names(tested, notes)
    made: dict[str, Any] = {}
    for one in tested:
        needs = needs_of(one.job, one.name, names, builders, notes)
        if needs is None:
            needs = _before(one, tested, stages, names)
        for name, job in zip(names[one.name], _rows(one.job), strict=True):
            written = TestJob(job, one.name, one.env, built, notes).document()
            more = {"needs": needs, "when": one.limits, "allow_failure": one.when.allow_failure}
            made[name] = written | {key: value for key, value in more.items() if value}
            left(job, one.name, notes)
    return _shared(made)


def _rows(job: Map) -> list[Map]:
    """Return the job once for each row of its matrix; one row is the rule."""
    parallel = job.get("parallel")
    rows = [row for row in flat(parallel.get("matrix")) if isinstance(row, Map)] if isinstance(parallel, Map) else []
    made = []
    for row in rows or [Map(job.line)]:
        copy = Map(job.line)
        for key, value in job.items():
            copy.put(key, value, job.lines[key])
        if rows:
            only = Map(row.line)
            only.put("matrix", List([row], row.line), row.line)
            copy.put("parallel", only, job.lines["parallel"])
        made.append(copy)
    return made


def _shared(made: dict[str, Any]) -> Any:
    """Say once what all jobs say, and shortly what can be said shortly."""
    if len(made) == 1:
        (job,) = made.values()
        return _short({key: value for key, value in job.items() if key != "needs"})
    shared: dict[str, Any] = {}
    for key in ("image", "when", "checkout", "env", "secrets", "services", "timeout", "runs_on", "reports", "retry"):
        first = next(iter(made.values())).get(key)
        if first is not None and all(job.get(key) == first for job in made.values()):
            shared[key] = first
            for job in made.values():
                del job[key]
    return shared | {"jobs": {name: _short(job) for name, job in made.items()}}


def _short(job: dict[str, Any]) -> Any:
    job = {key: job[key] for key in (*_ORDER, *job) if key in job}
    if len(job["script"]) == 1:
        job["script"] = job["script"][0]
    return job["script"] if list(job) == ["script"] else job


def _names(tested: Sequence[Tested], notes: Notes) -> dict[str, list[str]]:
    """Return the names that each job has here: several where the rows of its matrix differ."""
    found: dict[str, list[str]] = {}
    taken: set[str] = set()
    for one in tested:
        base = re.sub(r"[^a-z0-9_-]+", "-", one.name.lower()).strip("-_")[:34].strip("-_") or "job"
        rows = len(_rows(one.job))
        number, names = 1, [base] if rows == 1 else [f"{base}-{row}" for row in range(1, rows + 1)]
        while taken & set(names):
            number += 1
            names = [f"{base}-{number}"] if rows == 1 else [f"{base}-{number}-{row}" for row in range(1, rows + 1)]
        found[one.name] = names
        taken |= set(names)
        if names != [one.name]:
            notes.add(one.job.line, one.name, f"is called {', '.join(names[:3])} here")
    return found


def needs_of(
    job: Map, about: str, names: Mapping[str, Sequence[str]], aside: Collection[str], notes: Notes
) -> list[str] | None:
    """Take `needs` out of a job: the names here of what it waits for, None where it says nothing.

    Those that are `aside` are done before by themselves; all that is not here is noted.
    """
    if "needs" not in job:
        return None
    line, found = job.lines["needs"], list[str]()
    for item in flat(job.pop("needs")):
        need = item.get("job") if isinstance(item, Map) else item
        beyond = sorted(set(item) - {"job", "artifacts", "optional"}) if isinstance(item, Map) else []
        for key in beyond:
            notes.add(item.lines[key], about, f"{key} of needs has no counterpart; left out")
        optional = isinstance(item, Map) and item.get("optional") == "true"
        if need not in (*names, *aside) and not beyond and not optional:
            notes.add(lines(item, line), about, f"does not wait for {need}, which is no job here that it can wait for")
        found += names.get(str(need), ())
    return list(dict.fromkeys(found))


def _before(
    one: Tested, tested: Sequence[Tested], stages: Sequence[str], names: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the jobs of the last stage before this one's that has some: GitLab's stages wait for each other."""
    place = {stage: index for index, stage in enumerate(stages)}
    mine = place.get(one.stage, 0)
    earlier = [place.get(other.stage, 0) for other in tested if place.get(other.stage, 0) < mine]
    last = [other for other in tested if earlier and place.get(other.stage, 0) == max(earlier)]
    return [name for other in last for name in names[other.name]]


def left(job: Map, about: str, notes: Notes) -> None:
    """Note each key that nothing has taken."""
    for key, value in job.items():
        if key == "dependencies" and isinstance(value, List) and not value:
            continue
        notes.add(job.lines[key], about, f"{key} {_WHY.get(key, 'has no counterpart; left out')}")
