"""What all values of a definition share: how an error is told, what is text, and one item that stands for a list.

It knows no key and no place in a file.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError


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
            return f'"{shown(value)}"' if value else "an empty text"
        case dict():
            return "a mapping"
        case _:
            return "a list"


def written(value: object) -> str:
    """Return a scalar as it stands in the file: 3.10 stays 3.10, and true stays true."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(getattr(value, "text", value))


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is written, an empty one in place of what is none: that is told elsewhere."""
    return value if isinstance(value, dict) else {}


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


def _given(value: object) -> object:
    """Refuse a key without a value."""
    if value is None:
        raise wrong("nothing stands here", "remove the key, or give it a value")
    return value


Given = BeforeValidator(_given)


def _several(value: object) -> object:
    return (value,) if isinstance(value, str | bool | int | float) else value


def some(item: Any, *, most: int, least: int = 1) -> Any:
    """Return the type of a list in which one item may stand for a list of one."""
    size = Field(min_length=least, max_length=most)
    written_as = item | Annotated[list[item], size]
    return Annotated[tuple[item, ...], size, BeforeValidator(_several, json_schema_input_type=written_as)]
