"""Secrets of a GitLab job: those that it names, and variables that look like one and are set nowhere in the file."""

import re
from collections.abc import Container, Sequence
from typing import Any

from farm.definition.names import is_secret
from farm.gitlab.notes import Notes
from farm.gitlab.source import Map, Text
from farm.gitlab.words import names, predefined

_LOOKS = re.compile(r"(?:^|_)(?:TOKEN|PASSWORD|PASSWD|PASS|SECRET|KEY|CREDENTIALS?|AUTH|WEBHOOK)(?:_|$|\d)")
_SET = r"(?:^|[\s;&|(]){name}=|\b(?:export|read|local)\s[^\n;&|]*\b{name}\b"


def named(job: Map, about: str, notes: Notes) -> list[str]:
    """Take `secrets` out of a job and return their names; what holds them there is told."""
    said, found = job.pop("secrets", None), list[str]()
    for name, value in said.items() if isinstance(said, Map) else ():
        line = said.lines[name]
        if not is_secret(name):
            notes.add(line, about, f"the secret {name} cannot have this name here; left out")
            continue
        file = not (isinstance(value, Map) and value.get("file") == "false")
        was = "; there the variable held the path of a file, here the value" if file else ""
        notes.add(line, about, f"`farm secret set REPOSITORY {name}` gives the secret its value{was}")
        found.append(name)
    return found


def unset(script: Sequence[Text], env: Container[str], about: str, notes: Notes) -> Sequence[str]:
    """Note the variables that look like secrets of the project, which no file shows, and return them."""
    found: dict[str, Any] = {}
    whole = "\n".join(script)
    for item in script:
        for name in names(item):
            if name in env or predefined(f"${name}") or name in found or not _LOOKS.search(name.upper()):
                continue
            if re.search(_SET.format(name=name), whole, re.MULTILINE):
                continue
            found[name] = None
            notes.add(
                item.line,
                about,
                f"{name} is set nowhere in this file; if it is a secret: `farm secret set REPOSITORY {name}`, "
                f"and `secrets: [{name}]` in the job",
            )
    return list(found)
