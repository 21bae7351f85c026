"""What the cases in tests/scenarios do not show: places, bytes, bombs, and what a parsed definition promises."""

import gc
import pickle
import time

import pytest
from pydantic import ValidationError

from farm.definition import Definition, DefinitionError, parse
from farm.errors import Failed


def mistakes(text: str | bytes) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        parse(text)
    return tuple(str(mistake) for mistake in caught.value.mistakes)


def test_a_repository_without_the_file_has_the_same_definition_as_one_that_says_nothing():
    assert parse("") == parse("# nothing\n") == Definition()
    assert not Definition().releasable


def test_what_is_tested_or_untested_on_purpose_may_be_released():
    assert parse("test: pytest").releasable
    assert parse("test: none").releasable
    assert parse("test: none").jobs == {}


def test_a_definition_cannot_be_changed():
    with pytest.raises(ValidationError):
        parse("test: pytest").image = "other"


def test_a_definition_survives_the_record():
    definition = parse("test: {script: [a, b], timeout: 2m, services: {db: {image: x, command: y z}}}")
    assert Definition.model_validate_json(definition.model_dump_json()) == definition


def test_mistakes_are_the_pushed_codes_fault_and_come_in_the_order_of_the_file():
    with pytest.raises(Failed) as caught:
        parse("b: 1\ntest: {c: 1}\na: 1\n")
    assert isinstance(caught.value, DefinitionError)
    assert [mistake.line for mistake in caught.value.mistakes] == [1, 2, 2, 3]
    assert str(caught.value) == "\n".join(str(mistake) for mistake in caught.value.mistakes)


def test_of_very_many_mistakes_the_first_are_told_and_the_others_counted():
    with pytest.raises(DefinitionError) as caught:
        parse("\n".join(f"k{number}: 1" for number in range(60)))
    assert len(caught.value.mistakes) == 60
    assert str(caught.value).splitlines()[-1] == "and 10 more mistakes; mend these first"


def test_an_error_crosses_a_process_whole():
    with pytest.raises(DefinitionError) as caught:
        parse("a: 1")
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.mistakes == caught.value.mistakes
    assert str(again) == str(caught.value)


def test_the_name_of_the_file_is_in_every_mistake():
    with pytest.raises(DefinitionError, match=r"^ci/other\.yml:1:1: unknown key"):
        parse("a: 1", "ci/other.yml")


def test_bytes_that_are_no_utf_8_are_shown_where_they_are():
    assert mistakes(b"test: pytest\nimage: caf\xe9\n") == (
        ".farm.yml:2:11: this is no UTF-8 text (save the file as UTF-8)",
    )


def test_a_byte_order_mark_is_no_part_of_the_text():
    assert parse("\ufefftest: pytest".encode()) == parse("test: pytest")


def test_columns_count_characters():
    assert mistakes('test: {script: "中文", tmeout: 5}')[0].startswith('.farm.yml:1:22: unknown key "tmeout"')


def test_an_alias_may_be_a_key():
    assert parse("test: {script: x, env: {A: &a B, *a : 1}}").jobs["test"].env == {"A": "B", "B": "1"}
    assert mistakes('test: {script: x, env: {A: &a "<<", *a : 1}}')[0].startswith('.farm.yml:1:37: "<<" is no name')


def test_a_mistake_in_an_alias_stands_where_it_was_written():
    text = "test:\n  script: x\n  env: &e\n    A: [1]\n  services:\n    db: {image: db, env: *e}\n"
    assert mistakes(text) == (".farm.yml:4:8: text is expected here, not a list",)


@pytest.mark.parametrize(
    "bomb",
    [
        "[" * 200_000,
        "{" * 200_000,
        "- " * 100_000,
        "? " * 100_000,
        "test: [" + "a," * 100_000 + "]",
        "\n".join(f"k{number}: 1" for number in range(22_000)),
        "a: 1\n" * 19_000,
        "\n".join(["a0: &a0 [x, x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 30))]),
        "\n".join(["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 30))]),
        "test:\n  script: x\n  env:\n" + "\n".join(f"    {number}: []" for number in range(9_000)),
        "image: " + "a-" * 120_000,
        'release: {tags: "' + "{" * 200_000 + '"}',
        "test: {script: x, timeout: " + "9" * 200_000 + "}",
        f"test: {'x' * 260_000} # a word that is none of the command",
        f"test: {{script: x, services: {{a: {{image: x, command: {'x' * 260_000}}}}}}}",
        "x" * (256 * 1024 + 1),
    ],
    ids=lambda bomb: bomb[:20],
)
def test_a_bomb_is_refused_at_once(bomb: str):
    gc.freeze()  # what earlier tests have left is not the parser's to look through
    try:
        begin = time.thread_time()
        assert mistakes(bomb)
        assert time.thread_time() - begin < 1
    finally:
        gc.unfreeze()


def test_of_very_many_unknown_keys_the_first_have_hints():
    with pytest.raises(DefinitionError) as caught:
        parse("test:\n  script: x\n" + "".join(f"  scrip{'t' * n}x: 1\n" for n in range(300)))
    hints = [mistake.hint for mistake in caught.value.mistakes]
    assert hints[0] == 'did you mean "script"?'
    assert hints[-1] == ""


def test_what_is_only_large_is_read():
    script = "".join(f"  - echo {number} {'x' * 200}\n" for number in range(1000))
    assert len(parse(f"test:\n{script}").jobs["test"].script) == 1000
