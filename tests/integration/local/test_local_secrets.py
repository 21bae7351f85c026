"""`farm run` with secrets: the person's own, masked, and nowhere afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest

from farm.cli.given import given
from farm.definition import parse
from farm.errors import Refused
from tests.integration.local.conftest import Here

pytestmark = pytest.mark.engine

DEFINITION = """\
build: {secrets: TOKEN}
test:
  jobs:
    free: "true"
    bound:
      script:
        - test "$TOKEN" = hunter22
        - echo "$TOKEN and $PASSWORD" | base64
        - cat /src/word.txt
        - echo "$PASSWORD"
        - "false"
      secrets: [TOKEN, PASSWORD]
"""


def test_build_and_job_have_them_and_nothing_shows_them(here: Here, tmp_path: Path, engine: Any) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    dockerfile = (
        f"FROM {here.busybox}\nWORKDIR /src\nCOPY . .\n"
        "RUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN; wc -c </run/secrets/TOKEN >/token\n"
    )
    here.commit(DEFINITION, Dockerfile=dockerfile, **{"word.txt": f"{here.name}\n"})
    lacking = here("bound")
    assert lacking.code == 2
    assert "=== " not in lacking.out
    assert "error: no value for PASSWORD, TOKEN; set it in the environment, or give it by --secret" in lacking.err
    here.more["TOKEN"] = "hunter22"
    ran = here("bound", "--secret", f"PASSWORD={tmp_path / 'password'}")
    assert ran.code == 1, ran.out + ran.err
    assert f"{here.name}\n***\n" in ran.out
    image = engine.images.get(f"{here.image}:latest")
    assert engine.containers.run(image.id, ["cat", "/token"], remove=True) == b"8\n"
    for shown in (ran.out, ran.err, json.dumps(image.attrs), json.dumps(image.history())):
        for value in ("hunter22", "correct horse", "aHVudGVyM", "Y29ycmVjdCBob3Jz"):
            assert value not in shown


def test_the_tree_names_them(here: Here) -> None:
    here.commit(DEFINITION)
    tree = here("--dry-run").out
    assert "secrets: TOKEN\n" in tree
    assert "secrets: TOKEN, PASSWORD\n" in tree


def test_only_what_is_chosen_needs_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = parse(DEFINITION)
    monkeypatch.delenv("TOKEN", raising=False)
    file = tmp_path / "token"
    file.write_text("from the file\n")
    assert given(definition, ["test/free"], []) == {}
    with pytest.raises(Refused, match="no value for TOKEN; set it in the environment"):
        given(definition, ["build", "test/free"], [])
    monkeypatch.setenv("TOKEN", "from the environment")
    assert given(definition, ["build"], []) == {"TOKEN": "from the environment"}
    assert given(definition, ["build"], [f"TOKEN={file}", f"OTHER={file}"]) == {"TOKEN": "from the file"}
    for option, words in (("TOKEN", "--secret TOKEN names no file"), ("TOKEN=/nowhere/at/all", "cannot be read")):
        with pytest.raises(Refused, match=words):
            given(definition, ["build"], [option])
    file.write_text("xyz")
    with pytest.raises(Refused, match="fewer than 4 characters"):
        given(definition, ["build"], [f"TOKEN={file}"])
