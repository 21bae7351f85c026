"""The four places from which settings come, each later one winning over those before. It checks only the files."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel

from farm.home import read_state, state_file
from farm.membership import membership_file, read_membership
from farm.settings.document import Document
from farm.settings.files import config_file
from farm.settings.reader import read
from farm.settings.secret import Secret

_PREFIX = "FARM_"
_LISTS = ("labels", "secret_keys")  # with commas in a variable


@dataclass(frozen=True, slots=True)
class Source:
    """What one place says: the embedded default, farm.yml, what `farm up` or `farm join` wrote, the environment."""

    name: str
    values: Mapping[str, Any]


def sources(home: Path, *, own: bool = True) -> Sequence[Source]:
    """Return what each place says, the weakest first; raises Refused where a file is wrong."""
    found = [Source("default", read(config_file("farm.yml")))]
    file = own_file(home)
    if own and file.exists():
        found.append(Source(str(file), read(file)))
    if state := read_state(home):
        found.append(Source(str(state_file(home)), state.settings()))
    else:
        found.append(Source(str(membership_file(home)), _variables(read_membership(home))))
    return [*found, Source("environment", _variables(os.environ))]


def merged(found: Sequence[Source]) -> dict[str, Any]:
    """Return the values that win; a group of which a variable names one key keeps the others."""
    values: dict[str, Any] = {}
    for source in found:
        for key, value in source.values.items():
            before = values.get(key)
            both = source.name == "environment" and isinstance(before, dict) and isinstance(value, dict)
            values[key] = before | value if both else value
    return values


def origin(found: Sequence[Source], key: str) -> str:
    """Return the name of the place from which a setting comes; parts of its key are joined by dots."""
    top, _, rest = key.partition(".")
    for source in reversed(found):
        value = source.values.get(top, found)
        if value is not found and not (source.name == "environment" and rest and rest not in (value or {})):
            return source.name
    return found[0].name


def exposed(values: Mapping[str, Any]) -> Iterator[str]:
    """Return a sentence for each password that a file says itself, though it is better told by a variable."""
    for key, value in values.items():
        if (key in ("token", "secret_keys") and value) or (key == "redis_url" and urlsplit(str(value)).password):
            yield f"{key}, written into the file itself, is open to whoever reads it; set {variable(key)} instead"


def own_file(home: Path) -> Path:
    """Return where this farm's own settings are written."""
    return home / "farm.yml"


def variable(*keys: str) -> str:
    """Return the name of the environment variable of a setting."""
    return "FARM_ID" if keys == ("farm_id",) else _PREFIX + "_".join(keys).upper()


def _variables(variables: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in _plain():
        text = variables.get(variable(field))
        if text is not None:
            found[field] = tuple(filter(None, map(str.strip, text.split(",")))) if field in _LISTS else text
    slack = {
        key: Secret("env", name) if key in ("token", "webhook") else variables[name]
        for key in ("token", "channel", "webhook", "when")
        if (name := variable("slack", key)) in variables
    }
    if slack:
        found["slack"] = slack
    return found


def _plain() -> Iterator[str]:
    """Give the keys that one variable can say: no groups, and no lists of them."""
    for name, field in Document.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        if not any(
            get_origin(kind) is Mapping or (isinstance(kind, type) and issubclass(kind, BaseModel)) for kind in kinds
        ):
            yield name
