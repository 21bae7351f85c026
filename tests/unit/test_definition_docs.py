"""docs/definition.md shows every key, and every example of it is a definition that works."""

import re
from pathlib import Path

import pytest

from farm.definition import DefinitionError, parse
from farm.definition.schema import schema

PAGE = (Path(__file__).parents[2] / "docs" / "definition.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", PAGE, re.DOTALL | re.MULTILINE)


def keys() -> set[str]:
    return {key for part in (schema(), *schema()["$defs"].values()) for key in part["properties"]}


@pytest.mark.parametrize(("example", "mistakes"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_does_what_the_page_says(example: str, mistakes: str):
    if not mistakes:
        parse(example)
        return
    with pytest.raises(DefinitionError) as caught:
        parse(example)
    assert f"{caught.value}\n" == mistakes


@pytest.mark.parametrize("key", sorted(keys()))
def test_every_key_is_explained_and_shown(key: str):
    assert f"`{key}`" in PAGE or f"\n## {key}\n" in PAGE
    assert any(
        re.search(rf"(^|[ {{\"]){key}:", example, re.MULTILINE) for example, mistakes in EXAMPLES if not mistakes
    )
