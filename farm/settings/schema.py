"""The JSON Schema of farm.yml, for editors: `python -m farm.settings.schema` prints it."""

import json
import sys
from typing import Any

from farm.settings.document import Document

_HEAD = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "The settings of a farm, farm.yml"}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of `farm.yml`; `null` stands for what is not used."""
    made: dict[str, Any] = _untitled(Document.model_json_schema(mode="validation"))
    return _HEAD | made


def text() -> str:
    """Return the file config/farm.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _untitled(part: Any) -> Any:
    """Leave out the titles, which only repeat the names of keys."""
    if isinstance(part, list):
        return [_untitled(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {key: _untitled(value) for key, value in part.items() if not (key == "title" and isinstance(value, str))}


if __name__ == "__main__":
    sys.stdout.write(text())
