"""The secrets that a trial is given by the person who starts it: from files, or from the environment."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from farm import secrets
from farm.definition import Definition
from farm.errors import Refused, why
from farm.pipeline import job_name


def given(definition: Definition, steps: Sequence[str], files: Sequence[str]) -> Mapping[str, str]:
    """Return the values of the secrets that these steps name; Refused names all that are given by nobody."""
    jobs = [definition.jobs[job_name(step)].secrets for step in steps if step != "build"]
    wanted = {*(definition.build.secrets if "build" in steps else ()), *(name for names in jobs for name in names)}
    found = {name: value for name in wanted if (value := os.environ.get(name))}
    for option in files:
        name, _, path = option.partition("=")
        if not path:
            raise Refused(f"--secret {name} names no file; write --secret NAME=FILE, or set {name} in the environment")
        if name in wanted:
            found[name] = secrets.text(_read(name, path))
    if lacking := ", ".join(sorted(wanted - found.keys())):
        raise Refused(f"no value for {lacking}; set it in the environment, or give it by --secret NAME=FILE")
    for name, value in found.items():
        secrets.check(name, value)
    return found


def _read(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Refused(f"--secret {name}: {path} cannot be read: {why(error)}; mend its path or rights") from None
