"""The small values of a definition: durations, sizes, names and paths, each with its rule and its JSON Schema.

They say what is wrong and how to write it; they do not know where it stands.
"""

import re
import shlex
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

HOUR = 3600
_DURATION = re.compile(r"(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?")
_SIZE = re.compile(r"(\d{1,6})([mg])")
_MIB = 1024 * 1024


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """Return the error that a validator raises: what is wrong and, if it is known, the way out."""
    return PydanticCustomError("farm", "{message}", {"message": message, "hint": hint})


def shown(value: object, limit: int = 60) -> str:
    """Return a value as it may stand in a message: short and on one line."""
    words = " ".join(str(value).split())
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in words)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def kind(value: object) -> str:
    """Return what a person calls a value that stands where it may not."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {written(value)}"
        case str():
            return f'"{shown(value)}"'
        case dict():
            return "a mapping"
        case _:
            return "a list"


def written(value: object) -> str:
    """Return a scalar as it stands in the file: 3.10 stays 3.10, and true stays true."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(getattr(value, "text", value))


def text(value: object) -> object:
    """Refuse what is not text, with the way to make it so."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        raise wrong(f"text is expected here, not {kind(value)}", f'put it in quotes: "{written(value)}"')
    if isinstance(value, dict) and len(value) == 1 and None in value.values():
        raise wrong("text is expected here, not a mapping", f'put it in quotes: "{{{shown(next(iter(value)))}}}"')
    raise wrong(f"text is expected here, not {kind(value)}")


Text = Annotated[str, BeforeValidator(text), Field(min_length=1, max_length=1000)]


def given(value: object) -> object:
    """Refuse a key without a value."""
    if value is None:
        raise wrong("nothing stands here", "remove the key, or give it a value")
    return value


def _several(value: object) -> object:
    return (value,) if isinstance(value, str | bool | int | float) else value


def some(item: Any, *, most: int, least: int = 1) -> Any:
    """Return the type of a list in which one item may stand for a list of one."""
    size = Field(min_length=least, max_length=most)
    written_as = item | Annotated[list[item], size]
    return Annotated[tuple[item, ...], size, BeforeValidator(_several, json_schema_input_type=written_as)]


def _matching(pattern: str, what: str, hint: str, limit: int = 255) -> Callable[[object], object]:
    rule = re.compile(pattern)

    def check(value: object) -> object:
        value = text(value)
        if not isinstance(value, str) or len(value) > limit or not rule.fullmatch(value):
            raise wrong(f'"{shown(value)}" is no {what}', hint)
        return value

    return check


def _schema(pattern: str, limit: int = 255) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$", "maxLength": limit})


def _seconds(value: object) -> float:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if value.isascii() and value.isdigit() and len(value) <= 6:  # noqa: PLR2004 - days of seconds, no more
            return float(value)
        if value and match:
            hours, minutes, seconds = (int(part or 0) for part in match.groups())
            return float(hours * HOUR + minutes * 60 + seconds)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise wrong(f"a duration is expected here, not {kind(value)}", "write 90, 90s, 5m, 1h or 1h30m")


def _bounded(least: float, most: float) -> Callable[[object], float]:
    def check(value: object) -> float:
        seconds = _seconds(value)
        if not least <= seconds <= most:
            raise wrong(f"{shown(written(value))} is not between {least:g}s and {most / HOUR:g}h")
        return seconds

    return check


def duration(least: float, most: float) -> Any:
    """Return the type of a duration in seconds between two bounds."""
    return Annotated[
        float,
        BeforeValidator(_bounded(least, most)),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "number", "minimum": least, "maximum": most},
                    {"type": "string", "pattern": "^(?=[0-9])([0-9]{1,6}|([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?)$"},
                ]
            }
        ),
    ]


ReadyTimeout = duration(1, HOUR)
JobTimeout = duration(1, 24 * HOUR)


def _bytes(value: object) -> object:
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.lower())):
        size = int(match[1]) * (_MIB if match[2] == "m" else 1024 * _MIB)
    elif isinstance(value, int) and not isinstance(value, bool) and value >= _MIB:
        size = value
    else:
        raise wrong(f"a size is expected here, not {kind(value)}", "write 512m or 2g")
    if not 4 * _MIB <= size <= 1024 * 1024 * _MIB:
        raise wrong(f"{kind(value)} is not between 4m and 1024g")
    return size


Memory = Annotated[
    int,
    BeforeValidator(_bytes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "^[0-9]{1,6}[mMgG]$"},
                {"type": "integer", "minimum": 4 * _MIB, "maximum": 1024 * 1024 * _MIB},
            ]
        }
    ),
]

_PATH = r"(?!/)(?!(?:.*/)?\.\.(?:/|$))[^\x00-\x1f\\]+"
Inside = Annotated[
    str,
    BeforeValidator(_matching(_PATH, "path inside the repository", "no leading / and no .. in it", 1024)),
    _schema(_PATH, 1024),
]

_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
ImageName = Annotated[
    str,
    BeforeValidator(
        _matching(_NAME, "name of an image", "lower-case letters, digits, - _ . and /; no registry and no tag", 200)
    ),
    _schema(_NAME, 200),
]

_REFERENCE = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
    + _NAME
    + r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
ImageReference = Annotated[
    str,
    BeforeValidator(_matching(_REFERENCE, "image", "write it as for docker pull: postgres:16, host:5000/name:tag")),
    _schema(_REFERENCE),
]

_HOST = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"


def _host(value: object) -> object:
    value = text(value)
    if isinstance(value, str) and not re.fullmatch(_HOST, value):
        fitting = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[:63].strip("-")
        hint = f'write "{fitting}"' if fitting else "lower-case letters, digits and - between them"
        raise wrong(f'"{shown(value)}" is no host name', hint)
    return value


HostName = Annotated[str, BeforeValidator(_host), _schema(_HOST, 63)]

_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
Variable = Annotated[
    str,
    BeforeValidator(_matching(_VARIABLE, "name of a variable", "letters, digits and _, no digit first")),
    _schema(_VARIABLE),
]


def _env_value(value: object) -> object:
    if value is None:
        raise wrong("the variable has no value", 'write "" for an empty one')
    return written(value) if isinstance(value, bool | int | float) else text(value)


_Scalar = Annotated[Any, WithJsonSchema({"type": ["string", "number", "boolean"]})]
EnvValue = Annotated[str, BeforeValidator(_env_value, json_schema_input_type=_Scalar)]
Env = Annotated[dict[Variable, EnvValue], Field(max_length=200)]


def _command(value: object) -> object:
    if isinstance(value, dict) and len(value) == 1:
        key, rest = next(iter(value.items()))
        if isinstance(rest, str | int | float | bool | None):
            line = f"{key}: {'' if rest is None else written(rest)}".strip()
            quoted = line.replace("'", "''")
            raise wrong(
                "this command became a mapping because of the `: ` in it", f"quote the whole: - '{shown(quoted, 100)}'"
            )
    if isinstance(value, bool | int | float):
        return written(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise wrong("this command is empty", "remove it or write one")
    return text(value)


_CommandInput = Annotated[Any, WithJsonSchema({"type": ["string", "number", "boolean"], "pattern": r"\S"})]
Command = Annotated[str, BeforeValidator(_command, json_schema_input_type=_CommandInput)]
Script = some(Command, most=1000)
Patterns = some(Inside, most=20)


def _arguments(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(shlex.split(value))
    except ValueError:
        raise wrong("the command has a quote without its end", "close it, or write a list") from None


_Argument = Annotated[str, BeforeValidator(text)]
Arguments = Annotated[
    tuple[_Argument, ...],
    Field(min_length=1, max_length=200),
    BeforeValidator(
        _arguments,
        json_schema_input_type=Annotated[str, WithJsonSchema({"type": "string", "pattern": r"\S"})]
        | Annotated[list[_Argument], Field(min_length=1, max_length=200)],
    ),
]
