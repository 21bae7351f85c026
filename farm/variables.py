"""The variables that a push brings, `git push -o farm.var=NAME=VALUE`. They go to the jobs, and are no secrets."""

import re
from collections.abc import Iterator, Mapping, Sequence

from farm.definition import Definition
from farm.errors import Failed, Refused

OPTION = "farm.var"
MOST, LONGEST = 50, 400  # variables of a push; characters of one, its name included
_PREFIX = f"{OPTION}="
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def variables(options: Sequence[str]) -> dict[str, str]:
    """Return the variables among the options of a push; of two with the same name the later counts. Raises Failed."""
    found: dict[str, str] = {}
    for name, value, option in _written(options):
        if reason := _wrong(name, value, option):
            raise Failed(f"git push -o {option[:80]}: {reason}")
        found[name] = value or ""
    if len(found) > MOST:
        raise Failed(f"git push brings {len(found)} variables, more than {MOST}; put them into a file of the commit")
    return found


def options(given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the options by which a push would bring these variables. Raises Refused."""
    made = {name: f"{_PREFIX}{name}={value}" for name, value in given.items()}
    for name, option in made.items():
        if reason := _wrong(name, given[name], option):
            raise Refused(f"the variable {name[:80]!r}: {reason}")
    if len(made) > MOST:
        raise Refused(f"{len(made)} variables are more than {MOST}; put them into a file of the commit")
    return tuple(made.values())


def shown(options: Sequence[str]) -> dict[str, str]:
    """Return the same of a push that may be wrong: what can be read of it."""
    return {name: value for name, value, option in _written(options) if value and not _wrong(name, value, option)}


def applied(definition: Definition, given: Mapping[str, str]) -> Definition:
    """Return the definition with the variables in each job's environment, where they go before its own. Raises Failed.

    What a matrix varies is no push's to say.
    """
    for job, each in definition.jobs.items():
        if fixed := sorted(given.keys() & set(each.fixed)):
            raise Failed(f"git push -o {OPTION}={fixed[0]}=…: the matrix of the job {job} sets it; take another name")
    jobs = {name: job.model_copy(update={"env": {**job.env, **given}}) for name, job in definition.jobs.items()}
    return definition.model_copy(update={"jobs": jobs})


def _written(options: Sequence[str]) -> Iterator[tuple[str, str | None, str]]:
    for option in options:
        if option == OPTION or option.startswith(_PREFIX):
            name, equals, value = option.removeprefix(OPTION).removeprefix("=").partition("=")
            yield name, value if equals else None, option


def _wrong(name: str, value: str | None, option: str) -> str | None:
    if value is None or not name:
        return f"write it as {OPTION}=NAME=VALUE"
    if not _NAME.fullmatch(name):
        return "a variable's name has letters, digits and _, no digit first"
    if name.upper().startswith("FARM_") or name.upper() in ("CI", "FARM"):
        return "the farm sets this one itself; choose another name"
    if len(option) > len(_PREFIX) + LONGEST:
        return f"name and value have more than {LONGEST} characters; put it into a file of the commit"
    return None
