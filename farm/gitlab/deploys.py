"""GitLab jobs that deploy by a plain script, as hooks of the release. Those that need more are told and left out."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from farm.gitlab import docker, secret
from farm.gitlab.jobs import script
from farm.gitlab.merged import flat
from farm.gitlab.notes import Notes
from farm.gitlab.outcomes import outcomes
from farm.gitlab.source import Map
from farm.gitlab.when import When
from farm.gitlab.words import command, predefined

_MOST = 10
_USED = ("image", "services", "before_script", "script", "environment", "needs")


def hook(job: Map, about: str, env: Mapping[str, str], said: When, *, built: Sequence[str], notes: Notes) -> Any:
    """Return the hook that a job amounts to, or the reason why it is none, as text."""
    words = [command(item) for item in script(job, "before_script", "script")]
    environment = job.get("environment")
    image = job.get("image")
    name = str((image.get("name") if isinstance(image, Map) else image) or "")
    ours = not name or name in built or bool(re.match(r"\$\{?CI_REGISTRY(_IMAGE)?\}?[:/@]", name))
    reasons = [
        (not words, "has no script"),
        (isinstance(environment, Map) and environment.get("action") == "stop", "takes an environment down"),
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
    notes.add(
        job.line, about, "became a hook of the release: it runs in the released image, for what the server lets release"
    )
    for key in sorted(set(job) - {*_USED, "interruptible", "resource_group"}):
        notes.add(job.lines[key], about, f"{key} has no counterpart in a hook; left out")
    return made


def joined(hooks: Mapping[str, dict[str, Any]], release: Any, notes: Notes) -> Any:
    """Return the release with its hooks; those that it cannot have are told."""
    found = list(hooks.items())
    for about, _ in found if release == "none" else found[_MOST:]:
        notes.add(0, about, "its hook is left out: no job pushes an image, or there are ten already")
    if release == "none" or not found:
        return release
    after: dict[str, Any] = {}
    for about, made in found[:_MOST]:
        base = re.sub(r"[^a-z0-9_-]+", "-", about.lower()).strip("-_")[:34].strip("-_") or "hook"
        after[base if base not in after else f"{base}-{len(after) + 1}"] = made
    for made in after.values():
        made["script"] = made["script"][0] if len(made["script"]) == 1 else made["script"]
    return (release or {}) | {"after": after}
