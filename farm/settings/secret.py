"""A secret among the settings: where it stands, `{file: /path}` or `{env: NAME}`, or the text itself.

What is kept is the place; the text is read when it is used, so a changed file counts at once, and is shown nowhere.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from farm.definition.values import wrong
from farm.errors import Refused, why

Place = Literal["file", "env", "inline"]
_FORMS = "{file: /path/of/a/file} or {env: NAME}"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret stands; `text` is a path, the name of a variable, or with `inline` the secret itself."""

    place: Place
    text: str = field(repr=False)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the secret that a settings file writes as a text or as one key with a text; ValueError otherwise."""
        match value:
            case cls():
                return value
            case str() if value:
                return cls("inline", value)
            case {"file": str(path), **rest} if not rest and Path(path).expanduser().is_absolute():
                return cls("file", path)
            case {"file": str(), **rest} if not rest:
                raise wrong("the file of a secret is given by its whole path", "such as {file: /etc/farm/slack}")
            case {"env": str(name), **rest} if not rest and name:
                return cls("env", name)
        raise wrong("this is no secret and no place of one", f"write {_FORMS}")

    def reveal(self) -> str:
        """Return the secret itself as it is at this moment, without the line's end of a file; Refused if it is away."""
        if self.place == "inline":
            return self.text
        if self.place == "env":
            found, where = os.environ.get(self.text, ""), f"the environment variable {self.text}"
        else:
            found, where = self._read(), self.text
        if not found:
            raise Refused(f"{where}, which should hold a secret, is empty; put the secret into it")
        return found

    def advice(self, key: str) -> str | None:
        """Return what is careless or broken about the secret of this key, and what to do; None if nothing."""
        if self.place == "inline":
            return (
                f"{key} is written into the file itself; write it as {_FORMS}, so that who reads the file has no secret"
            )
        try:
            self.reveal()
            if self.place == "file" and (mode := self._path.stat().st_mode) & _OTHERS:
                return f"{key}: {self.text} is open to other users ({stat.S_IMODE(mode):04o}); chmod 600 {self.text}"
        except (Refused, OSError) as error:
            return f"{key}: {error}"
        return None

    def document(self) -> object:
        """Return what may be shown of it: its place, never an inline text."""
        return "(hidden)" if self.place == "inline" else {self.place: self.text}

    @property
    def _path(self) -> Path:
        return Path(self.text).expanduser()

    def _read(self) -> str:
        try:
            return self._path.read_text().strip("\r\n")
        except OSError as error:
            words = why(error)
        except UnicodeDecodeError:
            words = "it is no text"
        raise Refused(f"{self.text}, which should hold a secret, cannot be read: {words}; mend the path or its rights")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        shown = core_schema.plain_serializer_function_ser_schema(cls.document)
        return core_schema.no_info_plain_validator_function(cls.parse, serialization=shown)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        named = [
            {
                "type": "object",
                "properties": {key: {"type": "string", "description": words}},
                "required": [key],
                "additionalProperties": False,
            }
            for key, words in (
                ("file", "A file that holds it, by its whole path."),
                ("env", "A variable that holds it."),
            )
        ]
        return {"anyOf": [*named, {"type": "string", "description": "The secret itself; better one of the others."}]}


def advice(values: BaseModel, above: str = "") -> Iterator[str]:
    """Return a sentence for each secret that is kept carelessly or cannot be read, in the order of the settings."""
    for name in type(values).model_fields:
        yield from _advice(getattr(values, name), f"{above}{name}")


def _advice(value: object, key: str) -> Iterator[str]:
    if isinstance(value, Secret):
        if words := value.advice(key):
            yield words
    elif isinstance(value, BaseModel):
        yield from advice(value, f"{key}.")
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _advice(each, f"{key}.{name}")
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _advice(each, f"{key}[{index}]")
