"""How a job's failure is taken: allowed, or tried again. Nothing of it is run here."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from farm.definition.models import AllowFailure
from farm.definition.values import kind, some, wrong

ExitCode = Annotated[int, Field(ge=1, le=255)]
ExitCodes = some(ExitCode, most=50)


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
