"""Nothing of a definition is accepted and ignored: each key changes what the farm uses, and what it uses is read."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from farm.definition import Definition, DefinitionError, models, parse
from farm.definition.schema import schema
from farm.definition.tree import load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "definition.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```\n(\n```text\n)?", PAGE, re.DOTALL | re.MULTILINE)
EXAMPLES = [example for example, mistakes in BLOCKS if not mistakes]
KEYS = {key for part in (schema(), *schema()["$defs"].values()) for key in part["properties"]}


def without_each(data: Any) -> Iterator[tuple[str, Any]]:
    """Give every key of nested data with the data that lacks it."""
    if isinstance(data, list):
        for index, value in enumerate(data):
            for inner, changed in without_each(value):
                yield inner, [*data[:index], changed, *data[index + 1 :]]
    if isinstance(data, dict):
        for key, value in data.items():
            yield key, {other: kept for other, kept in data.items() if other != key}
            for inner, changed in without_each(value):
                yield inner, data | {key: changed}


class Anything:
    """A repository that has every file; each says that it is read, and where."""

    def __init__(self, before: str = "") -> None:
        self.before = before

    def title(self, path: str) -> str:
        return f"{self.before}{path}"

    def read(self, path: str) -> bytes:
        label = json.dumps({re.sub(r"[^a-z0-9]", "-", self.title(path)): "read"})
        return f"{{build: {{labels: {label}}}, templates: {{python: {{image: python}}}}}}".encode()

    def names(self) -> list[str]:
        return []

    def other(self, repository: str, ref: str | None) -> "Anything":
        return Anything(f"{repository}-{ref}-")


def outcome(data: Any) -> Definition | None:
    try:
        return parse(json.dumps(data), files=Anything())
    except DefinitionError:
        return None


def effective() -> set[str]:
    found = set()
    for example in EXAMPLES:
        data = json.loads(json.dumps(load(example, "").data))
        whole = outcome(data)
        assert whole, example
        found |= {key for key, less in without_each(data) if outcome(less) != whole}
    return found


def test_every_key_changes_the_definition():
    assert KEYS - effective() == set()


@cache
def read() -> set[str]:
    """Return the names of all attributes that the code outside of the definition reads."""
    files = [file for room in ("farm", "workers") for file in (ROOT / room).rglob("*.py")]
    trees = [ast.parse(file.read_text()) for file in files if "definition" not in file.parts]
    return {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


FIELDS = {
    field
    for name in dir(models)
    if isinstance(kind := getattr(models, name), type) and issubclass(kind, models.Value)
    for field in kind.model_fields
}


@pytest.mark.parametrize("field", sorted(FIELDS - {"untested"}))
def test_what_a_definition_says_is_read(field: str):
    assert field in read()


def test_whether_nothing_is_tested_on_purpose_is_read():
    assert "releasable" in read()
