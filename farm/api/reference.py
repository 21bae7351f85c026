"""docs/api.md, for people: `python -m farm.api.reference` prints it.

What it says of each request is the API's own word. The prose around is
docs/api.template.md; the service itself never reads either.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from farm.api import described

TEMPLATE = Path(__file__).parents[2] / "docs" / "api.template.md"
_HEAD = "| request | scope | what it does |\n| --- | --- | --- |"
_Part = Mapping[str, Any]


def text() -> str:
    """Return the file docs/api.md."""
    return TEMPLATE.read_text().replace("{requests}", "\n\n".join(_tables(described())))


def _tables(document: _Part) -> Iterator[str]:
    """Give a table for each tag, in the order in which the API names them."""
    rows: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            rows.setdefault(operation["tags"][0], []).append(_row(document, f"{method.upper()} {path}", operation))
    for tag, lines in rows.items():
        yield "\n".join([f"### {tag.capitalize()}", "", _HEAD, *lines])


def _row(document: _Part, request: str, operation: _Part) -> str:
    schemes = operation.get("security", [])
    scope = " ".join(name for scheme in schemes for scopes in scheme.values() for name in scopes)
    words = [f"{operation['summary']}.", *_query(operation), *_body(document, operation), operation["description"]]
    cell = " ".join(" ".join(words).split()).replace("|", "\\|")
    return f"| `{request}` | {scope or '-'} | {cell} |"


def _query(operation: _Part) -> Iterator[str]:
    found = [each for each in operation.get("parameters", []) if each["in"] == "query"]
    if found:
        yield f"Query: {', '.join(_field(each['name'], each['schema'], each) for each in found)}."


def _body(document: _Part, operation: _Part) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return
    model = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    must = model.get("required", [])
    fields = [_field(name, schema, {"required": name in must}) for name, schema in model["properties"].items()]
    yield f"Body: {', '.join(fields)}. {model['description']}"


def _field(name: str, schema: _Part, more: _Part) -> str:
    """Return a field as it is shown, with what it is and how much of it at most."""
    most = next((each["maximum"] for each in (schema, *schema.get("anyOf", ())) if "maximum" in each), None)
    notes = [note for note in (more.get("description"), f"{most:.0f} at most" if most else None) if note]
    shown = f"**`{name}`**" if more.get("required") else f"`{name}`"
    return f"{shown} ({', '.join(notes)})" if notes else shown


if __name__ == "__main__":
    sys.stdout.write(text())
