import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from farm.cli import app

RUNNER = CliRunner()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_good_definition_is_told_what_it_does(here: Path):
    (here / ".farm.yml").write_text("test: pytest\n")
    result = RUNNER.invoke(app, ["lint"])
    assert (result.exit_code, result.output) == (0, ".farm.yml: build -> test -> release (latest)\n")


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("test: none", "build -> release (latest)"),
        (
            "image: x",
            "build; nothing is tested, so nothing is released (add test, or `test: none` to say so on purpose)",
        ),
        ("{test: x, release: none}", "build -> test; nothing is released"),
        ("test: {jobs: {a: a, b: b}}", "build -> test (a, b) -> release (latest)"),
        ("test: {script: x, parallel: 9}", "build -> test (1, 2, 3, 4, 5, 6 and 3 more) -> release (latest)"),
        ("{test: x, release: {tags: [a, b]}}", "build -> test -> release (a, b)"),
    ],
)
def test_the_summary_says_what_a_push_will_do(here: Path, text: str, summary: str):
    (here / ".farm.yml").write_text(text)
    assert RUNNER.invoke(app, ["lint"]).output == f".farm.yml: {summary}\n"


def test_each_mistake_shows_its_line_and_the_place_in_it(here: Path):
    (here / ".farm.yml").write_text('tset: x\ntest:\n  script: pytest\n  env: {"中": 1}\n')
    result = RUNNER.invoke(app, ["lint"])
    assert result.exit_code == 2
    assert result.output == (
        '.farm.yml:1:1: unknown key "tset" (did you mean "test"?)\n'
        "  1 | tset: x\n"
        "    | ^^^^\n"
        '.farm.yml:4:9: "中" is no name of a variable (letters, digits and _, no digit first)\n'
        '  4 |   env: {"中": 1}\n'
        "    |         ^^^^\n"
        "2 mistakes\n"
    )


def test_a_long_line_is_cut_around_the_mistake(here: Path):
    (here / ".farm.yml").write_text(f"{{{' ' * 500}tset: x, image: {'x' * 500}}}\n")
    output = RUNNER.invoke(app, ["lint"]).output
    shown, mark = output.splitlines()[1:3]
    assert len(shown) < 200
    assert shown[mark.index("^") :].startswith("tset")


def test_no_escape_of_a_file_reaches_the_terminal(here: Path):
    (here / ".farm.yml").write_text("test: pytest # \x1b[31m\n\x9b: 1\n", newline="")
    result = RUNNER.invoke(app, ["lint"])
    assert result.exit_code == 2
    assert "\x1b" not in result.output
    assert "\x9b" not in result.output


def test_the_definition_of_the_repository_is_found_from_within(here: Path, monkeypatch: pytest.MonkeyPatch):
    (here / ".git").mkdir()
    (here / ".farm.yml").write_text("a: 1")
    (here / "src").mkdir()
    monkeypatch.chdir(here / "src")
    assert RUNNER.invoke(app, ["lint"]).output.startswith("../.farm.yml:1:1: unknown key")


def test_none_is_looked_for_outside_of_the_repository(here: Path, monkeypatch: pytest.MonkeyPatch):
    (here / ".farm.yml").write_text("test: pytest")
    (here / "repo" / ".git").mkdir(parents=True)
    monkeypatch.chdir(here / "repo")
    result = RUNNER.invoke(app, ["lint"])
    assert result.exit_code == 2
    assert "there is no .farm.yml here" in result.stderr


def test_a_file_that_cannot_be_read_is_told_in_one_sentence(here: Path):
    result = RUNNER.invoke(app, ["lint", "missing.yml"])
    assert (result.exit_code, result.stderr) == (
        2,
        "error: missing.yml cannot be read: no such file or directory; mend its path or rights\n",
    )
    assert RUNNER.invoke(app, ["lint", str(here)]).exit_code == 2


def test_standard_input_is_a_file_too():
    result = RUNNER.invoke(app, ["lint", "-"], input=b"a: 1")
    assert result.exit_code == 2
    assert result.output.startswith("<stdin>:1:1: unknown key")


def test_a_program_reads_json(here: Path):
    (here / "good.yml").write_text("test: pytest")
    (here / "bad.yml").write_text("tset: pytest")
    good = RUNNER.invoke(app, ["lint", "good.yml", "--json"])
    bad = RUNNER.invoke(app, ["lint", "bad.yml", "--json"])
    assert (good.exit_code, bad.exit_code) == (0, 2)
    assert json.loads(good.output)["definition"]["jobs"]["test"]["script"] == ["pytest"]
    assert json.loads(bad.output) == {
        "file": "bad.yml",
        "mistakes": [
            {"line": 1, "column": 1, "message": 'unknown key "tset"', "hint": 'did you mean "test"?', "file": "bad.yml"}
        ],
        "definition": None,
    }


def test_a_file_that_never_ends_is_refused(here: Path):
    (here / "big.yml").write_bytes(b"#" * (300 * 1024))
    result = RUNNER.invoke(app, ["lint", "big.yml"])
    assert result.exit_code == 2
    assert "larger than 256 KiB" in result.output


def test_a_mistake_of_an_included_file_is_shown_in_its_own_line(here: Path, monkeypatch: pytest.MonkeyPatch):
    (here / ".git").mkdir()
    (here / "ci").mkdir()
    (here / ".farm.yml").write_text("include: [ci/jobs.yml, {repository: shared, file: more.yml}]\n")
    (here / "ci" / "jobs.yml").write_text("tset: pytest\n")
    (here / "more.yml").write_text("\nimage: A\n")
    monkeypatch.chdir(here / "ci")
    result = RUNNER.invoke(app, ["lint", "--with", "shared=.."])
    assert result.output == (
        '../ci/jobs.yml:1:1: unknown key "tset" (did you mean "test"?)\n'
        "  1 | tset: pytest\n"
        "    | ^^^^\n"
        'shared:more.yml:2:8: "A" is no name of an image (lower-case letters, digits, - _ . and /; '
        "no registry and no tag)\n"
        "  2 | image: A\n"
        "    |        ^\n"
        "2 mistakes\n"
    )


def test_a_link_out_of_the_repository_is_no_file_to_include(here: Path):
    (here / "secret").write_text("test: x")
    (here / "repo" / ".git").mkdir(parents=True)
    (here / "repo" / "link.yml").symlink_to(here / "secret")
    (here / "repo" / ".farm.yml").write_text("include: link.yml")
    result = RUNNER.invoke(app, ["lint", "repo/.farm.yml"])
    assert "repo/.farm.yml:1:10: there is no file repo/link.yml" in result.output
