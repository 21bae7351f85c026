import pytest

from farm.definition import expand, matches

MAIN = {"branch": "main", "tag": None, "commit": "3f9c2e1" + "0" * 33, "number": 218, "date": "2026-11-24"}
V1 = MAIN | {"branch": None, "tag": "v1.2"}


@pytest.mark.parametrize(
    ("templates", "push", "tags"),
    [
        (["latest"], MAIN, ["latest"]),
        (["{branch}-{short_sha}"], MAIN, ["main-3f9c2e100000"]),
        (["{date}.{number}"], MAIN, ["2026-11-24.218"]),
        (["{branch}"], MAIN | {"branch": "feature/größe ü"}, ["feature-gr-e-"]),
        (["{branch}"], MAIN | {"branch": ".hidden"}, ["hidden"]),
        (["{branch}"], MAIN | {"branch": "ü"}, []),
        (["{branch}"], MAIN | {"branch": "x" * 200}, ["x" * 128]),
        (["latest", "latest", "{branch}"], MAIN | {"branch": "latest"}, ["latest"]),
        (["latest", "{tag}"], V1, ["v1.2"]),
        (["latest", "{tag}"], MAIN, ["latest"]),
        (["{tag}-{branch}"], V1, []),
        (["latest"], V1, []),
    ],
)
def test_a_push_fills_the_templates_that_are_for_it(templates, push, tags):
    assert expand(tuple(templates), **push) == tuple(tags)


@pytest.mark.parametrize(
    ("patterns", "branch", "fits"),
    [
        (["main"], "main", True),
        (["main"], "maintenance", False),
        (["release/*"], "release/1.0/fix", True),
        (["a", "b?"], "bc", True),
        ([], "main", False),
        (["Main"], "main", False),
    ],
)
def test_a_pattern_stands_for_branches(patterns, branch, fits):
    assert matches(tuple(patterns), branch) == fits
