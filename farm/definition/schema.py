"""The JSON Schema of a definition, for editors: `python -m farm.definition.schema` prints it.

It says what a schema can say; sums, references and what YAML itself takes amiss are the validator's alone.
"""

import json
import sys
from typing import Any

from farm.definition.document import Document

_HEAD = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "The definition of a farm pipeline, .farm.yml",
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of `.farm.yml`."""
    made: dict[str, Any] = _tidy(Document.model_json_schema(mode="validation"))
    return _HEAD | made


def text() -> str:
    """Return the file config/definition.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(part: Any) -> Any:
    """Say what pydantic's schema does not: no key may be empty, and a mapping has only keys that fit its pattern.

    No key has to stand there, because a template or another file may bring it.
    """
    if isinstance(part, list):
        return [_tidy(item) for item in part if item != {"type": "null"}]
    if not isinstance(part, dict):
        return part
    made = {key: _tidy(value) for key, value in part.items() if not _noise(key, value)}
    if "patternProperties" in made:
        made.pop("propertyNames", None)
        made["additionalProperties"] = False
    if "properties" in made:
        made.pop("required", None)
    if len(made.get("anyOf", [])) == 1:
        made |= made.pop("anyOf")[0]
    return made


def _noise(key: str, value: Any) -> bool:
    """Return whether a line would only repeat a name, or give a default that no one may write."""
    return (key == "title" and isinstance(value, str)) or (
        key == "default" and (value is None or isinstance(value, dict))
    )


if __name__ == "__main__":
    sys.stdout.write(text())
