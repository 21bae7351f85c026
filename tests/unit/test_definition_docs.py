"""docs/definition.md shows every key, and every example of it is a definition that works."""

import re
from pathlib import Path

import pytest

from farm.cli.beside import Folder
from farm.definition import DefinitionError, parse
from farm.definition.schema import schema

PAGE = (Path(__file__).parents[2] / "docs" / "definition.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", PAGE, re.DOTALL | re.MULTILINE)


NAMED = re.findall(r"^```yaml\n# (\S+\.yml)[^\n]*\n(.*?)^```\n", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The files that the page names in their first lines, for whatever repository."""
    top = tmp_path_factory.mktemp("page")
    for name, text in NAMED:
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).write_text(text)
    return Folder(top, {"shared": top})


def keys() -> set[str]:
    return {key for part in (schema(), *schema()["$defs"].values()) for key in part["properties"]}


@pytest.mark.parametrize(("example", "mistakes"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_does_what_the_page_says(example: str, mistakes: str, files: Folder):
    if not mistakes:
        parse(example, files=files)
        return
    with pytest.raises(DefinitionError) as caught:
        parse(example, files=files)
    assert f"{caught.value}\n" == mistakes


@pytest.mark.parametrize("key", sorted(keys()))
def test_every_key_is_explained_and_shown(key: str):
    assert f"`{key}`" in PAGE or f"\n## {key}\n" in PAGE
    assert any(
        re.search(rf"(^|[ {{\"]){key}:", example, re.MULTILINE) for example, mistakes in EXAMPLES if not mistakes
    )
