"""farm.yml is read as the definition is: all mistakes at once, each at its place; what holds says where it is from."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from farm.cli import app
from farm.settings import SettingsError, config_file
from farm.settings.reader import parse
from farm.settings.schema import schema, text

SCHEMA = Path(__file__).parents[2] / "config" / "farm.schema.json"

WRONG = b"""\
slotz: 3
memory: lots
slack: {when: oftn, webhook: 3}
repositories:
  thyme: {protcted: [refs/heads/main]}
lease: 0
lease: 1
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("FARM_SLOTS", "FARM_SLACK_WEBHOOK", "FARM_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    return tmp_path


def farm(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


def test_every_mistake_is_told_at_once_with_its_place_and_a_hint() -> None:
    with pytest.raises(SettingsError) as caught:
        parse(WRONG, "farm.yml")
    places = [(each.line, each.column) for each in caught.value.mistakes]
    assert places == [(1, 1), (2, 9), (3, 15), (3, 30), (5, 11), (6, 8), (7, 1)]
    told = str(caught.value)
    assert 'farm.yml:1:1: unknown key "slotz" (did you mean "slots"?)' in told
    assert 'did you mean "protected"?' in told
    assert "first in line 6" in told


def test_a_text_where_a_number_belongs_is_a_mistake_in_a_file() -> None:
    with pytest.raises(SettingsError, match="take away the quotes"):
        parse(b'slots: "4"\n', "farm.yml")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("repositories: {thyme: {protected: [main]}}", "write refs/heads/main or refs/tags/main"),
        ("redis_url: http://x", "has not the form that is wanted here"),
        ("registry: http://x:5000", "has not the form that is wanted here"),
        ("url: nonsense", "write a URL that begins with http:// or https://"),
        ("web_url: nonsense", "write a URL that begins with http:// or https://"),
        ("memory: 1KiB", "write 6291456 or more"),
        ("cpus: 0.001", "write 0.01 or more"),
        ("lease: 0.5", "write 1.0 or more"),
        ("artifacts: nothing", "write file:///srv/artifacts or s3://bucket/folder"),
        ("artifacts: file://nothing", "write file:///srv/artifacts or s3://bucket/folder"),
        ("redis_url: 'redis://['", "the host or port of this URL"),
        ("redis_url: redis://h:99999/0", "the host or port of this URL"),
        ("url: http://h:port", "the host or port of this URL"),
        ("web_url: 'http://[x'", "the host or port of this URL"),
        ("registry: host:port", "has not the form that is wanted here"),
        ("registry: '[::1'", "has not the form that is wanted here"),
        ("forges: {gitea: {url: 'https://['}}", "the host or port of this URL"),
        (
            "trackers: {a: {kind: webhook, url: 'https://[', token: {env: A}}}",
            "the host or port of this URL cannot be read",
        ),
        ("webhooks: {a: {url: 'https://h:x', secret: {env: A}}}", "the host or port of this URL"),
        ("slack: {webhook: {env: A}, api: 'https://[/'}", "the host or port of this URL"),
        ("hook_urls: [https://a.example]", "write https://HOST/, with the slash"),
        ("hook_urls: [a.example/]", "write https://HOST/, with the slash"),
        ("repositories: {thyme: {default_branch: refs/heads/main}}", "a short name such as main"),
        ("repositories: {thyme: {default_branch: ''}}", "is no branch"),
        ("email: {host: h, sender: a@b.c, domains: {'*': ['@b.c']}}", "write it alone, such as example.com"),
        ("slack: {}", "give it a `webhook`, or a `token` with a `channel`"),
    ],
)
def test_what_could_never_work_is_a_mistake(line: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(f"{line}\n".encode(), "farm.yml")
    assert words in str(caught.value)


def test_groups_are_read_with_all_that_they_can_say() -> None:
    parse(b"email: {host: x, sender: a@b.c, domains: {'*': [x]}, ca: /x/y, user: u, password: {env: A}}\n", "farm.yml")
    with pytest.raises(SettingsError, match=r"^farm.yml:1:8: a `token` needs a `channel`"):
        parse(b"slack: {token: {env: A}}\n", "farm.yml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "forges: {gitea: {url: ftp://x}}",
            "(write a URL that begins with http:// or https://, without a user's",
        ),
        ("farm_id: thyme", '"thyme" has not the form that is wanted here (it has to fit ^([0-9a-f]{12})?$)'),
    ],
)
def test_text_of_the_wrong_form_is_told_what_form_is_wanted(text: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text.encode(), "farm.yml")
    assert told in str(caught.value)


def test_a_file_of_certificates_is_named_by_its_whole_path() -> None:
    with pytest.raises(SettingsError, match=r"^farm.yml:1:58: a file is given by its whole path"):
        parse(b"email: {host: x, sender: a@b.c, domains: {'*': [x]}, ca: mail-ca.pem}\n", "farm.yml")


def test_check_shows_the_lines_and_ends_with_2(home: Path) -> None:
    (home / "farm.yml").write_bytes(WRONG)
    code, output = farm("config", "check")
    assert code == 2
    assert "  2 | memory: lots\n    |         ^^^^\n" in output
    assert "7 mistakes" in output
    code, output = farm("config", "check", "--json")
    assert code == 2
    assert len(json.loads(output)["mistakes"]) == 7


def test_check_warns_of_secrets_in_the_file_and_passes(home: Path) -> None:
    (home / "farm.yml").write_text("slack: {webhook: https://hooks.example/word}\ntoken: word\n")
    code, output = farm("config", "check")
    assert code == 0
    assert output.count("warning: ") == 2
    assert "FARM_TOKEN" in output
    assert "word" not in output.replace("password", "")


def test_check_of_a_file_that_is_away_says_so(home: Path) -> None:
    assert farm("config", "check") == (
        0,
        f"{home}/farm.yml does not exist, so the defaults hold; `farm config show` prints them\n",
    )
    assert farm("config", "check", str(home / "other.yml"))[0] != 0


def test_show_says_where_each_value_comes_from_and_hides_secrets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "farm.yml").write_text("pids: 7\nslack: {webhook: https://hooks.example/word, when: failure}\n")
    monkeypatch.setenv("FARM_SLOTS", "3")
    monkeypatch.setenv("FARM_SLACK_WHEN", "never")
    monkeypatch.setenv("FARM_TOKEN", "word")
    code, output = farm("config", "show", "--json")
    assert code == 0
    assert "word" not in output
    rows = {row["key"]: (row["value"], row["source"]) for row in json.loads(output)}
    own = str(home / "farm.yml")
    assert rows["pids"] == (7, own)
    assert rows["slots"] == (3, "environment")
    assert rows["slack.when"] == ("never", "environment")
    assert rows["slack.webhook"] == ("(hidden)", own)
    assert rows["lease"] == (9.0, "default")
    assert rows["token"] == ("(hidden)", "environment")


def test_the_published_schema_is_the_one_of_the_models() -> None:
    assert SCHEMA.read_text() == text(), "stale: python -m farm.settings.schema > config/farm.schema.json"
    Draft202012Validator.check_schema(schema())


def test_the_schema_explains_every_key() -> None:
    for part in [schema(), *schema()["$defs"].values()]:
        for key, value in part["properties"].items():
            assert value.get("description"), key


def test_the_annotated_file_names_every_key() -> None:
    told = config_file("farm.yml").read_text()
    for key in schema()["properties"]:
        assert f"{key}:" in told, key


def test_every_example_of_the_annotated_file_can_be_used() -> None:
    lines = config_file("farm.yml").read_text().splitlines()[1:]  # the first is for editors
    examples = [line.removeprefix("# ") for line in lines if re.match(r"# +[\w.-]+:", line)]
    shown = {line.partition(":")[0] for line in examples if line[0] != " "}
    said = [line for line in lines if line[:1].isalpha() and line.partition(":")[0] not in shown]
    chosen = [line for line in examples if not line.startswith("  webhook:")]  # which is instead of a token
    values = parse("\n".join([*said, *chosen]).encode(), "farm.yml")
    assert values.keys() == schema()["properties"].keys()
    assert values["repositories"]["thyme"]["git"].keys() == {"token", "key", "known_hosts"}
