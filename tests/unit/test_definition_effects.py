"""Nothing of a definition is accepted and ignored: each key changes what the farm uses, and what it uses is read."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from farm.definition import Definition, DefinitionError, models, parse
from farm.definition.composing import load
from farm.definition.schema import schema

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "definition.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```\n(\n```text\n)?", PAGE, re.DOTALL | re.MULTILINE)
EXAMPLES = [example for example, mistakes in BLOCKS if not mistakes]
SCENARIOS = [case.read_text() for case in sorted((ROOT / "tests" / "scenarios").glob("*.farm.yml"))]
PARTS = {"Document": schema(), **schema()["$defs"]}
KEYS = {f"{part}.{key}" for part, said in PARTS.items() for key in said["properties"]}


def options(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Give each form that a node of the schema lets a value have, with the part of the definition that it is."""
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        node = PARTS[name]
    for each in node.get("anyOf", ()):
        yield from options(each)
    yield name, node


def keys_of(data: Any, node: Any, name: str = "") -> Iterator[tuple[str, Any, Callable[[Any], Any]]]:
    """Give every key of nested data by the part that it is a key of, its value, and what puts another in its place."""
    for part, option in options(node, name):
        if isinstance(data, list) and "items" in option:
            for index, value in enumerate(data):
                for key, inner, put in keys_of(value, option["items"]):
                    yield key, inner, lambda new, index=index, put=put: [*data[:index], put(new), *data[index + 1 :]]
        if not isinstance(data, dict):
            continue
        known = option.get("properties", {})
        several = next(iter(option.get("patternProperties", {}).values()), option.get("additionalProperties"))
        for key, value in data.items():
            if key in known:
                yield f"{part}.{key}", value, lambda new, key=key: changed(data, key, new)
            below = known.get(key) or (several if not known and isinstance(several, dict) else None)
            for inner, its, put in keys_of(value, below) if below else ():
                yield inner, its, lambda new, key=key, put=put: data | {key: put(new)}


GONE = object()


def changed(data: dict[str, Any], key: str, new: Any) -> dict[str, Any]:
    """Return a mapping with another value, or without the key."""
    return {other: new if other == key else value for other, value in data.items() if other != key or new is not GONE}


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
    """Return the keys without which, or with another value of which, a definition is another one, and a valid one."""
    wholes = [data for data in map(plain, [*EXAMPLES, *SCENARIOS]) if data and outcome(data)]
    found = [(data, *each) for data in wholes for each in keys_of(data, PARTS["Document"], "Document")]
    values: dict[str, list[Any]] = {}
    for _, key, value, _ in found:
        values.setdefault(key, []).append(value)
    shown = set[str]()
    for data, key, value, put in found:
        others = [GONE, *(other for other in values[key] if other != value)][:8]
        if key not in shown and any(outcome(put(other)) not in (None, outcome(data)) for other in others):
            shown.add(key)
    return shown


def plain(text: str) -> Any:
    try:
        return json.loads(json.dumps(load(text, "").data))
    except DefinitionError:
        return None


def test_every_key_changes_the_definition():
    assert {"Document.test", "Test.jobs", "Job.timeout", "Ready.timeout", "Hook.timeout"} < KEYS
    assert KEYS - effective() == set()


def test_a_key_that_changes_nothing_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(PARTS, "Job", {"properties": PARTS["Job"]["properties"] | {"idle": {"type": "string"}}})
    [at] = [
        put
        for key, _, put in keys_of(
            {"test": {"jobs": {"a": {"script": "x", "idle": "y"}}}}, PARTS["Document"], "Document"
        )
        if key == "Job.idle"
    ]
    assert at(GONE) == {"test": {"jobs": {"a": {"script": "x"}}}}


@cache
def read() -> set[tuple[str, str]]:
    """Return the attributes that the code outside of the definition reads, each with the name of what it is read of.

    What only shows a definition (the tree of `farm run --dry-run`) or makes one of another file is not asked.
    """
    files = [file for room in ("farm", "workers") for file in (ROOT / room).rglob("*.py")]
    asked = [file for file in files if not {"definition", "gitlab", "picture.py"} & {*file.parts}]
    trees = [ast.parse(file.read_text()) for file in asked]
    found = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {(holder(node.value), node.attr) for node in found}


def holder(node: ast.expr) -> str:
    """Return the last name of an expression: `job` of `job`, `place.job` and `job["x"]`."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


MODELS = [
    kind
    for name in dir(models)
    if isinstance(kind := getattr(models, name), type) and issubclass(kind, models.Value) and kind.model_fields
]
FIELDS = {f"{kind.__name__}.{field}" for kind in MODELS for field in kind.model_fields}
CALLED = {  # what is read of something that is not called like its part, or by a method of the part
    "Artifacts.paths": "wanted.paths",
    "Artifacts.expire": "wanted.expire",
    "Artifacts.when": "wanted.when",
    "Definition.notify": "notify.slack",
    "Definition.untested": "definition.releasable",
    "Hook.secrets": "named.secrets",
    "Job.fixed": "each.fixed",
    "Service.needs": "services.needs",
    "Service.ready": "_service.ready",
    "Service.timeout": "_service.timeout",
}


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_what_a_definition_says_is_read(field: str):
    part, _, name = CALLED.get(field, field).rpartition(".")
    assert (part.lower(), name) in read()
