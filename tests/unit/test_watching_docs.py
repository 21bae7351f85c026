"""docs/watching.md names tests and pictures: each is there, and no picture is that no page shows."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/watching.md").read_text()


def test_every_test_and_picture_that_is_named_is_there():
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named
    assert named - there == set()
    for path in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / path).exists(), path


def test_every_picture_is_shown():
    pages = "".join(page.read_text() for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    assert {path.name for path in (ROOT / "docs/images").iterdir()} == set(re.findall(r"images/([\w-]+\.png)", pages))
