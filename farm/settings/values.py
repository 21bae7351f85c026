"""What all settings have in common: frozen, strict in a file, and how sizes are written. It holds none."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from farm.definition.values import kind, wrong

_SIZES = TypeAdapter(ByteSize)


class Values(BaseModel):
    """A frozen group of settings; a key that it does not know is a mistake. What stands below a key explains it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _size(value: object) -> ByteSize:
    try:
        if not isinstance(value, bool):
            return _SIZES.validate_python(value)
    except ValidationError:
        pass
    raise wrong(f"a size is expected here, not {kind(value)}", "write a number with a unit, such as 512MiB or 2GiB")


Size = Annotated[
    ByteSize,
    BeforeValidator(_size),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": r"^[0-9.]+\s*([kKmMgGtTpP]i?[bB]?|[bB])?$"}, {"type": "integer"}]}
    ),
]


def _url(text: str) -> str:
    try:
        urlsplit(text).port  # noqa: B018 - only now it is read
    except ValueError:  # nothing of it is shown, for it may hold a password
        raise wrong("the host or port of this URL cannot be read", "write HOST:PORT; in a password / is %2F") from None
    return text


Url = Annotated[str, AfterValidator(_url)]
"""A URL whose host and port can be read."""
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/@]+(/\S*)?$"), AfterValidator(_url)]
"""One that begins with http:// or https://, without a user's name in it."""


def _path(value: object) -> object:
    return Path(value) if isinstance(value, str) else value


def _whole(path: Path) -> Path:
    if not path.expanduser().is_absolute() or '"' in str(path):
        raise ValueError("a file is given by its whole path, such as /etc/farm/ca.pem")
    return path.expanduser()


FilePath = Annotated[Path, BeforeValidator(_path), AfterValidator(_whole)]
"""A file by its whole path: whoever opens it may stand in any folder."""
