"""How the artifacts of a job are written: files that are kept beyond its end. It reads none of them."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, WithJsonSchema

from farm.definition import models
from farm.definition.models import Value
from farm.definition.names import Patterns
from farm.definition.values import kind, wrong

DAY = 86400.0
_AGE = re.compile(r"([1-9][0-9]{0,3})([hdw])")
_UNITS = {"h": DAY / 24, "d": DAY, "w": 7 * DAY}
_MOST = 365


def _age(value: object) -> float:
    match = _AGE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong(f"a time to keep is expected here, not {kind(value)}", "write 12h, 30d or 8w")
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > _MOST * DAY:
        raise wrong(f"{match[0]} is more than {_MOST} days")
    return seconds


Age = Annotated[float, BeforeValidator(_age), WithJsonSchema({"type": "string", "pattern": f"^(?:{_AGE.pattern})$"})]


class Artifacts(Value):
    """Files of a job that the farm keeps for people to download."""

    paths: Patterns
    """Files or folders, relative to the working directory of the job; * and ** stand for anything in a name."""
    expire: Age = 30 * DAY
    """How long they are kept, such as 12h, 30d or 8w; 30d unless said."""
    when: Literal["passed", "failed", "always"] = "passed"
    """After which end of the job they are kept."""

    def resolve(self) -> models.Artifacts:
        """Return what the farm uses."""
        return models.Artifacts(paths=self.paths, expire=self.expire, when=self.when)


def written_artifacts(value: object) -> object:
    """Take the short form: a path, or a list of them."""
    return {"paths": value} if isinstance(value, str | tuple) else value
