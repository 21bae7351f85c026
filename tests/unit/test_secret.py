"""A secret is kept as its place: it is read at use and shown nowhere."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from farm.errors import Refused
from farm.settings import Secret, Settings

_SECRETS = TypeAdapter(Secret)


def test_a_file_is_read_at_each_use_and_its_line_end_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    secret = _SECRETS.validate_python({"file": str(path)})
    assert secret.reveal() == "first"
    path.write_text("second\n")
    assert secret.reveal() == "second"


def test_a_variable_is_read_at_each_use(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = _SECRETS.validate_python({"env": "SOME_TOKEN"})
    with pytest.raises(Refused, match="SOME_TOKEN"):
        secret.reveal()
    monkeypatch.setenv("SOME_TOKEN", "word")
    assert secret.reveal() == "word"


def test_what_is_away_empty_or_no_text_is_one_sentence(tmp_path: Path) -> None:
    for name, content in (("away", None), ("empty", b"\n"), ("binary", b"\xff\xfe\x00")):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(Refused) as caught:
            Secret("file", str(path)).reveal()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value", [3, "", [], {}, {"file": "relative"}, {"file": 1}, {"env": ""}, {"env": "A", "file": "/b"}]
)
def test_other_forms_are_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="secret"):
        _SECRETS.validate_python(value)


def test_no_way_of_printing_shows_an_inline_secret(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": tmp_path, "slack": {"webhook": "https://hooks.example/word"}})
    shown = repr(settings) + str(settings) + settings.model_dump_json() + json.dumps(settings.model_dump(mode="json"))
    assert "word" not in shown
    assert settings.slack is not None
    assert settings.slack.webhook is not None
    assert settings.slack.webhook.reveal().endswith("word")


def test_careless_secrets_are_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "token"

    def advice(webhook: object) -> list[str]:
        return list(Settings.model_validate({"home": tmp_path, "slack": {"webhook": webhook}}).advice())

    (inline,) = advice("https://hooks.example/word")
    assert inline.startswith("slack.webhook")
    assert "{file:" in inline
    assert "word" not in inline
    (away,) = advice({"file": str(path)})
    assert away.startswith("slack.webhook")
    assert str(path) in away
    path.write_text("word")
    path.chmod(0o640)
    (wide,) = advice({"file": str(path)})
    assert f"chmod 600 {path}" in wide
    path.chmod(0o600)
    assert advice({"file": str(path)}) == []
