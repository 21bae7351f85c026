import json
from pathlib import Path

from jsonschema import Draft202012Validator

from farm.definition.schema import schema, text

FILE = Path(__file__).parents[2] / "config" / "definition.schema.json"


def test_the_published_schema_is_the_one_of_the_models():
    assert FILE.read_text() == text(), "stale: python -m farm.definition.schema > config/definition.schema.json"


def test_it_is_a_json_schema():
    Draft202012Validator.check_schema(schema())


def test_it_explains_every_key():
    for name, part in {"": schema(), **schema()["$defs"]}.items():
        for key, value in part["properties"].items():
            described = value.get("description") or schema()["$defs"][value["$ref"].rpartition("/")[2]]["description"]
            assert described, f"{name}.{key}"


def test_nothing_in_it_may_be_null():
    assert '"null"' not in json.dumps(schema())
