"""What failures a job may name: exit codes and causes, those that are allowed, those that are tried again."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from farm.definition.models import AllowFailure, Cause
from farm.definition.values import kind, some, wrong

ExitCode = Annotated[int, Field(ge=1, le=255)]


def _allowed(value: object) -> object:
    """Take `true`, `false`, one exit code or several."""
    if isinstance(value, bool):
        return value
    values = value if isinstance(value, tuple) else (value,)
    for each in values:
        if isinstance(each, bool) or not isinstance(each, int):
            what = "an exit code is" if isinstance(value, tuple) else "true or exit codes are"
            raise wrong(f"{what} expected here, not {kind(each)}", "write true, 3 or [3, 4]")
        if not 1 <= each <= 255:  # noqa: PLR2004 - what a process can end with
            raise wrong(f"{kind(each)} is no exit code of a failure", "from 1 to 255")
    if not values or len(values) > 50:  # noqa: PLR2004
        raise wrong("from 1 to 50 exit codes are expected here", "write true for any failure")
    return values


Allowed = Annotated[
    AllowFailure,
    BeforeValidator(
        _allowed, json_schema_input_type=bool | ExitCode | Annotated[list[ExitCode], Field(min_length=1, max_length=50)]
    ),
]

Tries = Annotated[int, Field(ge=1, le=5)]


def _cause(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= 255:  # noqa: PLR2004 - what a process can end with
            raise wrong(f"{kind(value)} is no exit code of a failure", "from 1 to 255")
    elif value not in ("timeout", "service"):
        raise wrong(f"{kind(value)} is no cause of a failure", "an exit code, timeout or service")
    return value


Causes = some(
    Annotated[Cause, BeforeValidator(_cause, json_schema_input_type=ExitCode | Literal["timeout", "service"])], most=50
)
