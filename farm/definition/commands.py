"""What a definition lets run: scripts, the arguments of a service, and variables. Nothing of it is run here."""

import shlex
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from farm.definition.names import Annotation, Variable
from farm.definition.scalars import Cut
from farm.definition.values import shown, some, text, written, wrong

LONGEST = 100_000  # characters of a command; the kernel takes no longer argument


def _env_value(value: object) -> object:
    if value is None:
        raise wrong("nothing stands here", 'write "" for an empty value')
    return written(value) if isinstance(value, bool | int | float) else text(value)


_Scalar = Annotated[Any, WithJsonSchema({"type": ["string", "number", "boolean"]})]
EnvValue = Annotated[str, BeforeValidator(_env_value, json_schema_input_type=_Scalar)]
EnvValues = some(EnvValue, most=50)
ImageLabels = Annotated[dict[Annotation, EnvValue], Field(max_length=50)]
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
    _bounded(value)
    if isinstance(value, Cut) and _open_quote(value):
        raise wrong("this command ends before the ` #`, where YAML begins a comment", "put the whole command in quotes")
    return text(value)


def _bounded(value: object) -> None:
    if isinstance(value, str) and len(value) > LONGEST:
        raise wrong(
            f"this command has more than {LONGEST} characters", "put it into a file of the commit, and run that"
        )


def _open_quote(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:
        return True
    return False


_CommandInput = Annotated[
    Any, WithJsonSchema({"type": ["string", "number", "boolean"], "pattern": r"\S", "maxLength": LONGEST})
]
Command = Annotated[str, BeforeValidator(_command, json_schema_input_type=_CommandInput)]
Script = some(Command, most=1000)


def _arguments(value: object) -> object:
    if not isinstance(value, str):
        return value
    _bounded(value)
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
        json_schema_input_type=Annotated[
            str, WithJsonSchema({"type": "string", "pattern": r"\S", "maxLength": LONGEST})
        ]
        | Annotated[list[_Argument], Field(min_length=1, max_length=200)],
    ),
]
