"""Which jobs a push calls for, by their `when`. It asks git nothing; what has changed is told by whoever calls."""

from collections.abc import Callable, Mapping

from farm.definition import Definition, Job, matches
from farm.push import Push

Unchanged = Callable[[str, Job], int | None]
"""The pipeline in which a job passed with the very files that its `when` names, or None where it has to run."""


def left_out(definition: Definition, push: Push, unchanged: Unchanged) -> dict[str, str]:
    """Return the jobs that the push does not call for, each with the reason."""
    reasons = {name: _reason(name, job, push, unchanged) for name, job in definition.jobs.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def without(definition: Definition, left: Mapping[str, str]) -> Definition:
    """Return the definition without these jobs; what needs one of them comes behind what that one needs."""

    def needs(name: str) -> tuple[str, ...]:
        own = definition.jobs[name].needs
        return tuple(dict.fromkeys(one for need in own for one in (needs(need) if need in left else (need,))))

    kept = {
        name: job.model_copy(update={"needs": needs(name)}) for name, job in definition.jobs.items() if name not in left
    }
    return definition.model_copy(update={"jobs": kept})


def _reason(name: str, job: Job, push: Push, unchanged: Unchanged) -> str | None:
    when = job.when
    if job.files == ():
        return "no file is left for this shard"
    if when.branches or when.tags:
        patterns, own = (when.tags, push.tag) if push.tag else (when.branches, push.branch)
        if own is None or not matches(patterns, own):
            kinds = [
                f"{kind} {', '.join(each)}" for kind, each in (("branches", when.branches), ("tags", when.tags)) if each
            ]
            return f"runs for {' and '.join(kinds)}"
    for variable, values in when.variables.items():
        if job.env.get(variable) not in values:
            return f"runs with {variable}={' or '.join(values)}"
    if when.paths and (number := unchanged(name, job)) is not None:
        return f"passed in #{number}, and nothing in {', '.join(when.paths)} has changed since"
    return None
