"""Each case is three files: what GitLab runs, what it becomes here, and what could not be taken over."""

import random
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from farm.definition import parse
from farm.errors import Refused
from farm.gitlab import Conversion, convert

HERE = Path(__file__).parent
CASES = sorted(path.name.removesuffix(".gitlab-ci.yml") for path in HERE.glob("*.gitlab-ci.yml"))

BOMB = ", ".join(["&a0 [x, x]", *(f"&a{number} [*a{number - 1}, *a{number - 1}]" for number in range(1, 25))])


def converted(case: str, source: str | None = None) -> Conversion:
    """Convert a case; what it includes is in a folder of its name."""
    top = HERE / case

    def read(path: str) -> Mapping[str, str]:
        return {str(found.relative_to(top)): found.read_text() for found in sorted(top.glob(path)) if found.is_file()}

    return convert(source or (HERE / f"{case}.gitlab-ci.yml").read_text(), read=read)


def told(conversion: Conversion) -> str:
    """Return the notes as text."""
    places = [(f"{note.file}:{note.line}" if note.file else str(note.line), note) for note in conversion.notes]
    return "".join(f"{place}: {note.about}: {note.message}\n" for place, note in places)


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    conversion = converted(case)
    assert conversion.text == (HERE / f"{case}.farm.yml").read_text()
    assert told(conversion) == (HERE / f"{case}.txt").read_text()
    assert conversion.mistakes == ()


@pytest.mark.parametrize("case", CASES)
def test_what_it_becomes_is_a_definition(case: str) -> None:
    parse((HERE / f"{case}.farm.yml").read_text())


@pytest.mark.parametrize("case", CASES)
def test_no_job_and_no_key_is_lost_without_a_word(case: str) -> None:
    lines = (HERE / f"{case}.gitlab-ci.yml").read_text().splitlines(keepends=True)
    for index, line in enumerate(lines):
        if re.match(r'["a-zA-Z][^:{]*:\s*\n', line) and re.match(r"  [a-z_]+:", "".join(lines[index + 1 : index + 2])):
            if re.match(r"(stages|variables|default|workflow|include|cache|spec|services|image)\b", line):
                continue
            changed = "".join([*lines[: index + 1], "  frobnicate: 1\n", *lines[index + 1 :]])
            notes = told(converted(case, changed))
            left_out = re.search(rf"^{index + 1}: .*left out", notes, re.MULTILINE)
            assert left_out or re.search(rf"^{index + 2}: ", notes, re.MULTILINE), line


def test_no_text_breaks_it_or_takes_long() -> None:
    random.seed(7)
    sources = [(HERE / f"{case}.gitlab-ci.yml").read_text() for case in CASES]
    for _ in range(400):
        lines = random.choice(sources).splitlines(keepends=True)
        for _ in range(random.randint(1, 4)):
            place = random.randrange(len(lines))
            other = random.choice(random.choice(sources).splitlines(keepends=True))
            lines[place] = random.choice(["", other, lines[place].replace(":", "", 1), f"  {lines[place]}"])
        begun = time.monotonic()
        with suppress(Refused):
            convert("".join(lines))
        assert time.monotonic() - begun < 20  # some milliseconds where nothing else runs


def test_variables_that_stand_in_each_other_do_not_fill_the_memory() -> None:
    conversion = convert(f"variables: {{A: '{'$A' * 200}'}}\ntest: {{script: [make]}}\n")
    assert len(conversion.text) < 3 << 20


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("a: [", "this is no YAML"),
        ("just text", "holds no mapping"),
        ("", "holds no mapping"),
        (
            "a: &a [x, x]\n"
            + "".join(f"b{i}: &b{i} [*a, *a]\n".replace("*a", f"*b{i - 1}" if i else "*a") for i in range(40)),
            "more than",
        ),
        (f"? [{BOMB}]\n: x\n", "a key must be text"),
    ],
)
def test_what_cannot_be_read_is_refused(source: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        convert(source)


@pytest.mark.parametrize(
    "said",
    [
        *("parallel: ²", "retry: ²", "retry: {max: ²}", "timeout: ²h", "artifacts: {paths: [a], expire_in: ²h}"),
        *(f"{key}: {'9' * 5000}" for key in ("parallel", "retry", "timeout", "allow_failure")),
        f"artifacts: {{paths: [a], expire_in: {'9' * 400} q}}",
        f"needs: !reference [{BOMB}]",
        f"image: {'x' * 100_000}",
    ],
    ids=lambda said: said[:20],
)
def test_no_number_is_too_strange_to_be_told(said: str) -> None:
    conversion = convert(f"job: {{script: x, {said}}}\n")
    assert any(
        said.partition(":")[0] in note.message or "is not in this file" in note.message for note in conversion.notes
    )


def test_files_beyond_those_that_are_read_are_told() -> None:
    conversion = convert("include: '*.yml'\n", read=lambda _: {f"{number}.yml": "{}" for number in range(152)})
    assert [note.message for note in conversion.notes if "is not read" in note.message] == [
        "150.yml is not read: 150 files are",
        "151.yml is not read: 150 files are",
    ]
