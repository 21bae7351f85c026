"""Each case is two files: NN_name.farm.yml and what comes of it, NN_name.json (a definition) or NN_name.txt (mistakes).

Files that it includes are in NN_name.files, those of other repositories in its folder `repositories`.

The JSON Schema has to agree on each. Where only the validator can tell, the case says so: `# schema: cannot tell`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from farm.cli.beside import Folder
from farm.definition import Definition, DefinitionError, parse
from farm.definition.composing import load
from farm.definition.schema import schema

HERE = Path(__file__).parent
CASES = sorted(HERE.glob("*.farm.yml"))
SCHEMA = Draft202012Validator(schema())


def name(case: Path) -> str:
    return case.name.removesuffix(".farm.yml")


def outcome(case: Path) -> tuple[Definition | None, str]:
    files = HERE / f"{name(case)}.files"
    repositories = files / "repositories"
    others = {other.name: other for other in repositories.iterdir()} if repositories.is_dir() else {}
    try:
        return parse(case.read_text(), ".farm.yml", Folder(files, others)), ""
    except DefinitionError as error:
        return None, f"{error}\n"


def data(text: str) -> Any:
    return json.loads(json.dumps(load(text, ".farm.yml").data))


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_definition_gives_what_its_case_says(case: Path):
    definition, mistakes = outcome(case)
    if definition:
        expected = json.loads((HERE / f"{name(case)}.json").read_text())
        assert definition.model_dump(mode="json", exclude_defaults=True) == expected
        assert Definition.model_validate_json(definition.model_dump_json()) == definition
    else:
        assert mistakes == (HERE / f"{name(case)}.txt").read_text()


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_schema_agrees(case: Path):
    text = case.read_text()
    definition, _ = outcome(case)
    try:
        fits = not list(SCHEMA.iter_errors(data(text) or {}))
    except DefinitionError:
        return
    expected = definition is not None or "# schema: cannot tell" in text
    assert fits == expected, [error.message for error in SCHEMA.iter_errors(data(text))]


def test_no_case_is_without_its_second_file():
    outcomes = {path.stem for path in HERE.iterdir() if path.suffix in (".json", ".txt")}
    assert outcomes == {name(case) for case in CASES}
