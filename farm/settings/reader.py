"""Reading farm.yml: a file in, its values out, or every mistake at once. It knows no other source of settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from farm.definition.composing import decoded, load
from farm.definition.mistakes import DefinitionError
from farm.definition.placing import placed
from farm.errors import Refused, why
from farm.settings.document import Document
from farm.settings.mistakes import SettingsError


def read(path: Path) -> Mapping[str, Any]:
    """Return what a file says; raises SettingsError with all of its mistakes, Refused where nobody can read it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        words = why(error)
        raise Refused(f"{path} cannot be read: {words}; mend its rights, or remove it") from None
    return parse(content, str(path))


def parse(content: bytes, name: str) -> Mapping[str, Any]:
    """Return what the text of a file says, validated; raises SettingsError. An empty one says nothing."""
    try:
        tree = load(decoded(content, name), name)
    except DefinitionError as error:
        raise SettingsError(error.mistakes) from None
    mistakes = list(tree.mistakes)
    data = {} if tree.data is None else tree.data
    try:
        Document.model_validate(data, strict=True)
    except ValidationError as error:
        mistakes += placed(error, tree, Document)
    if mistakes:
        raise SettingsError(sorted(mistakes))
    return dict(data)
