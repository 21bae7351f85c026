"""Files divided among shards by what their tests took."""

import pytest

from farm.definition import parse
from farm.errors import Failed
from farm.split import by_file, divided, group, shared

FILES = ["t/unit/test_a.py", "t/unit/test_b.py", "t/web/test_b.py", "src/test/java/com/acme/ATest.java"]


def test_the_longest_come_first_and_all_take_about_as_long() -> None:
    seconds = {"a": 9.0, "b": 5.0, "c": 4.0, "d": 1.0}
    assert divided(["a", "b", "c", "d"], seconds, 2) == [["a", "d"], ["b", "c"]]


def test_without_any_duration_they_go_by_turns() -> None:
    assert divided(["a", "b", "c", "d", "e"], {}, 2) == [["a", "c", "e"], ["b", "d"]]


def test_one_that_is_not_known_counts_as_the_others_do() -> None:
    assert divided(["a", "b", "new"], {"a": 4.0, "b": 2.0}, 2) == [["a"], ["b", "new"]]


def test_more_shards_than_files_leave_some_empty() -> None:
    assert divided(["a"], {}, 3) == [["a"], [], []]


def test_class_names_lead_to_files() -> None:
    tests = {
        "t.unit.test_a.TestA::test_1": 1.0,
        "t.unit.test_a::test_2": 2.0,
        "unit.test_b::test_1": 4.0,
        "test_b::of two files": 8.0,
        "com.acme.ATest::works": 16.0,
        "elsewhere": 32.0,
    }
    assert by_file(FILES, tests) == {FILES[0]: 3.0, FILES[1]: 4.0, FILES[3]: 16.0}


@pytest.mark.parametrize(
    ("step", "shard", "name"),
    [
        ("test/e2e.2", "2", "test/e2e"),
        ("test/2", "2", "test"),
        ("test/e2e.3-12-2", "2", "test/e2e.3-12"),
        ("test/a2", None, "test/a2"),
        ("test/a.12", "2", "test/a.12"),
    ],
)
def test_shards_are_remembered_together(step: str, shard: str | None, name: str) -> None:
    assert group(step, shard) == name


def test_each_shard_gets_its_files_once() -> None:
    definition = parse('test: {jobs: {a: {script: a, parallel: {shards: 2, split: "t/*"}}, b: b}}')
    asked: list[str] = []

    def seconds(name: str) -> dict[str, float]:
        asked.append(name)
        return {"t.x::1": 5.0, "t.y::1": 3.0, "t.z::1": 1.0}

    files = shared(definition, lambda _: ["t/z.py", "t/y.py", "t/x.py"], seconds)
    assert [files.jobs[name].files for name in ("a.1", "a.2", "b")] == [("t/x.py",), ("t/y.py", "t/z.py"), None]
    assert set(asked) == {"test/a"}
    assert shared(files, lambda _: [], seconds) == files


def test_a_pattern_that_matches_nothing_is_a_failure() -> None:
    definition = parse('test: {script: a, parallel: {shards: 2, split: "t/*"}}')
    with pytest.raises(Failed, match="no file of the commit matches"):
        shared(definition, lambda _: [], lambda _: {})
    with pytest.raises(Failed, match="too long for a variable"):
        shared(definition, lambda _: ["x" * 500 + str(n) for n in range(1000)], lambda _: {})
