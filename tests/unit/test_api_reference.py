"""docs/api.md is what the API says of itself."""

import re
from pathlib import Path

from farm.api import described
from farm.api.reference import text

FILE = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_committed_file_is_what_the_generator_prints():
    assert FILE.read_text() == text(), "stale: make api-docs"


def test_every_request_has_a_row_with_its_scope():
    rows = dict(re.findall(r"^\| `([A-Z]+ /\S+)` \| (\S+) \|", text(), re.MULTILINE))
    paths = described()["paths"]
    assert set(rows) == {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert (rows["GET /pipelines"], rows["POST /pipelines"], rows["GET /health"]) == ("read", "act", "-")
    assert "**`repository`**" in text()
