"""GitLab jobs that deploy by a plain script, as hooks of the release. Those that need more are told and left out."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farm.gitlab import docker, secret
from farm.gitlab.cases import DEFAULT
from farm.gitlab.jobs import script
from farm.gitlab.merged import flat, lines
from farm.gitlab.notes import Notes
from farm.gitlab.outcomes import outcomes
from farm.gitlab.source import Line, Map
from farm.gitlab.when import When
from farm.gitlab.words import command, predefined

_MOST = 10
_USED = ("image", "services", "before_script", "script", "needs")
_SIDE = "hooks run side by side"


@dataclass(slots=True)
class Hook:
    """A hook before it is written, and what it waits for there."""

    about: str
    stage: str
    said: When
    line: Line
    made: dict[str, Any]
    needs: Sequence[tuple[str, Line]] | None = None
    """None where the job names none."""


def hook(
    job: Map, about: str, env: Mapping[str, str], said: When, *, stage: str, built: Sequence[str], notes: Notes
) -> Hook | str:
    """Return the hook that a job amounts to, or the reason why it is none."""
    words = [command(item) for item in script(job, "before_script", "script")]
    environment = job.get("environment")
    image = job.get("image")
    name = str((image.get("name") if isinstance(image, Map) else image) or "")
    ours = not name or name in built or bool(re.match(r"\$\{?CI_REGISTRY(_IMAGE)?\}?[:/@]", name))
    reasons = [
        (not words, "has no script"),
        (isinstance(environment, Map) and environment.get("action") == "stop", "takes an environment down"),
        (said.failed, "it runs after a failure only"),
        (not ours, f"it runs in {name}, and a hook in the released image alone"),
        (bool(said.changes or said.variables or said.strange or (said.merges and not said.every)), "it has conditions"),
        (not (said.default or said.every or said.branches), f"it runs for {said.words} only"),
        (any(flat(job.get("services"))), "it needs services"),
        ("secrets" in job or any(left for _, left in words), "it needs what a hook is not given"),
        (any(docker.WORDS.search(item) for item, _ in words), "it needs an engine"),
        (bool(secret.unset(script(job, "before_script", "script"), env, about, Notes())), "it needs a secret"),
    ]
    reason = next((reason for is_so, reason in reasons if is_so), None)
    if reason:
        return f"deploys, so it is left out: {reason}; see `release.after` for what can be done here"
    made: dict[str, Any] = {"script": [item for item, _ in words]}
    if given := {key: value for key, value in env.items() if not predefined(value)}:
        made["env"] = given
    timing = outcomes(job, about, notes)
    if "timeout" in timing and not timing["timeout"].endswith("s") and int(timing["timeout"][:-1]) <= 240:  # noqa: PLR2004
        made["timeout"] = timing["timeout"]
    for key in ("timeout",) if "timeout" not in made and "timeout" in timing else ():
        notes.add(job.lines[key], about, "a hook takes 4 hours at most; its timeout is left out")
    for key in sorted({"retry", "allow_failure"} & set(timing)):
        notes.add(job.lines[key], about, f"{key} is left out: a hook has none")
    if said.allow_failure:
        notes.add(said.line, about, "allow_failure is left out: a hook has none")
    notes.add(
        job.line, about, "became a hook of the release: it runs in the released image, for what the server lets release"
    )
    for key in sorted(set(job) - {*_USED}):
        notes.add(job.lines[key], about, f"{key} has no counterpart in a hook; left out")
    return Hook(about, stage, said, job.line, made, _needs(job, about, notes))


def joined(
    hooks: Sequence[Hook], release: Any, *, stages: Sequence[str], known: Collection[str], default: str, notes: Notes
) -> Any:
    """Return the release with its hooks; those that it cannot have are told, and what these do without here.

    `known` are all jobs of the file.
    """
    for one in hooks if release == "none" else hooks[_MOST:]:
        notes.add(one.line, one.about, "its hook is left out: no job pushes an image, or there are ten already")
    if release == "none" or not hooks:
        return release
    after: dict[str, Any] = {}
    for one in hooks[:_MOST]:
        _alone(one, hooks, stages, known, notes)
        _narrower(one, release or {}, default, notes)
        base = re.sub(r"[^a-z0-9_-]+", "-", one.about.lower()).strip("-_")[:34].strip("-_") or "hook"
        after[base if base not in after else f"{base}-{len(after) + 1}"] = one.made
    for made in after.values():
        made["script"] = made["script"][0] if len(made["script"]) == 1 else made["script"]
    return (release or {}) | {"after": after}


def _needs(job: Map, about: str, notes: Notes) -> Sequence[tuple[str, Line]] | None:
    if "needs" not in job:
        return None
    found = list[tuple[str, Line]]()
    for item in flat(job["needs"]):
        for key in sorted(set(item) - {"job", "artifacts", "optional"}) if isinstance(item, Map) else ():
            notes.add(item.lines[key], about, f"{key} of needs has no counterpart; left out")
        need = item.get("job") if isinstance(item, Map) else item
        found += [(str(need), lines(item, job.lines["needs"]))] if need else []
    return found


def _alone(one: Hook, hooks: Sequence[Hook], stages: Sequence[str], known: Collection[str], notes: Notes) -> None:
    """Note the order that is lost; builds and tests are over before any hook."""
    others = {other.about for other in hooks}
    for need, line in one.needs or ():
        if need in others:
            notes.add(line, one.about, f"{_SIDE}: it does not wait for {need}")
        elif need not in known:
            notes.add(line, one.about, f"does not wait for {need}, which is no job of this file")
    place = {stage: index for index, stage in enumerate(stages)}
    if one.needs is None and any(place.get(other.stage, 0) < place.get(one.stage, 0) for other in hooks):
        notes.add(one.line, one.about, f"{_SIDE}: it does not wait for those of an earlier stage")


def _narrower(one: Hook, release: Mapping[str, Any], default: str, notes: Notes) -> None:
    """Note that a hook runs for more branches here than the job did there."""
    said = release.get("branches", [])
    branches = {said} if isinstance(said, str) else {*said}
    own = {default if each == DEFAULT else each for each in one.said.refs}
    if not one.said.every and own != (branches or {default}):
        notes.add(one.said.line, one.about, f"runs for {one.said.words} only; here with every release")
