"""What the cases in tests/scenarios do not show of include and extends: bombs, bytes, and each limit."""

import time
from collections.abc import Iterable, Mapping

import pytest

from farm.definition import DefinitionError, Files, parse


class Library:
    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.read_so_far: list[str] = []

    def title(self, path: str) -> str:
        return path

    def read(self, path: str) -> bytes | None:
        self.read_so_far.append(path)
        return self.texts[path].encode() if path in self.texts else None

    def names(self) -> Iterable[str]:
        return self.texts

    def other(self, repository: str, ref: str | None) -> Files:
        raise NotImplementedError


TWENTY = ", ".join(["{}"] * 20)
WIDE = ", ".join(f"A{number}: 1" for number in range(4000))
BOMBS = {
    "fan": (
        {"a": f"include: [{TWENTY.format(*'b' * 20)}]", "b": f"include: [{TWENTY.format(*'c' * 20)}]", "c": ""},
        "a",
    ),
    "deep": ({f"f{number}": f"include: f{number + 1}" for number in range(99)}, "f0"),
    "values": (dict.fromkeys("abc", f"test: {{env: {{{WIDE}}}}}"), "[a, b, c]"),
    "bytes": (dict.fromkeys("abc", "#" * 250_000), "[a, b, c]"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_of_includes_is_refused_before_it_is_unpacked(bomb: str):
    texts, first = BOMBS[bomb]
    library = Library(texts)
    begun = time.thread_time()
    with pytest.raises(DefinitionError, match=r"too much is included|more than 10000 values, all files together"):
        parse(f"include: {first}", files=library)
    assert time.thread_time() - begun < 10  # a blow-up takes minutes
    assert len(library.read_so_far) < 60


class Crowd(Library):
    """A repository with very many files, none of them one that is asked for."""

    def names(self) -> list[str]:
        return [f"src/package/module_{number:05}/of_that_name.yml" for number in range(10_000)]


def test_files_that_are_not_there_do_not_hold_it_up():
    missing = ", ".join(f"src/package/modxle_{{0}}_{number:02}/of_that_name.yml" for number in range(19))
    library = Crowd({f"f{number}": f"include: [{missing.format(number)}]" for number in range(20)})
    begun = time.thread_time()
    with pytest.raises(DefinitionError, match="too much is included"):
        parse(f"include: [{', '.join(library.texts)}]", files=library)
    assert time.thread_time() - begun < 10  # minutes if the nearest name is looked for each time


def many(form: str, count: int) -> str:
    return ", ".join(form.format(number, number + 1) for number in range(count))


@pytest.mark.parametrize(
    ("templates", "test", "words"),
    [
        (f"a: {{env: {{{WIDE}}}}}", f"jobs: {{{many('j{}: {{extends: a}}', 90)}}}", "templates counted wherever"),
        (many("t{}: {{extends: t{}}}", 1500), "script: x", "more than 16 deep"),
        (many("t{1}: {{extends: t{0}}}", 1500), "script: x", "more than 16 deep"),
        ("a: {}", f"extends: [{many('a', 4000)}]", "more than 10 of these"),
    ],
    ids=["wide", "deep", "deep from below", "many"],
)
def test_a_bomb_of_templates_is_refused_before_it_is_unpacked(templates: str, test: str, words: str):
    begun = time.thread_time()
    with pytest.raises(DefinitionError, match=words):
        parse(f"{{templates: {{{templates}}}, test: {{{test}}}}}")
    assert time.thread_time() - begun < 10  # a blow-up takes minutes


def test_a_file_may_be_included_on_two_ways():
    library = Library({"a": "include: c", "b": "include: c", "c": "test: pytest"})
    assert parse("include: [a, b]", files=library).jobs["test"].script == ("pytest",)


def test_bytes_that_are_no_text_are_told_in_their_file():
    class Bytes(Library):
        def read(self, path: str) -> bytes | None:
            return b"test: \xff" if path == "a" else None

    with pytest.raises(DefinitionError, match=r"^a:1:7: this is no UTF-8 text"):
        parse("include: a", files=Bytes({}))


def test_a_definition_that_comes_alone_includes_nothing():
    with pytest.raises(DefinitionError, match=r"^\.farm\.yml:1:10: ci/a\.yml cannot be included by a definition"):
        parse("include: ci/a.yml")
