"""Does a push change a path? On real git, with its own patterns."""

import pytest

from farm import git


@pytest.fixture(name="push")
def a_push(repository, tmp_path):
    """Three files change: one below src, one in docs, one at the top; and a file is renamed out of old."""
    before = repository.commit(
        {"src/a.py": "1", "docs/a.md": "1", "top.txt": "1", "same.txt": "1", "old/x.bin": "1" * 99}
    )
    repository.git("mv", "old/x.bin", "x.bin")
    after = repository.commit({"src/deep/b.py": "2", "docs/a.md": "2", "top.txt": "2"})
    mirror = tmp_path / "mirror.git"
    git.fetch(mirror, repository.url)
    return mirror, before, after


@pytest.mark.parametrize(
    ("paths", "ignore", "changes"),
    [
        ([], [], True),
        (["src"], [], True),
        (["src/"], [], True),
        (["src/*.py"], [], False),
        (["src/**/*.py"], [], True),
        (["*.txt"], [], True),
        (["same.txt"], [], False),
        (["nothing"], [], False),
        (["old"], [], True),
        ([], ["src", "docs", "*.txt", "old", "*.bin"], False),
        ([], ["src", "docs", "old", "*.bin"], True),
        (["src", "docs"], ["src/**", "docs/*.md"], False),
        ([":(exclude)src"], [], False),
        (["-p"], [], False),
    ],
)
def test_a_push_changes_what_its_patterns_match(push, paths, ignore, changes):
    mirror, before, after = push
    assert git.changed(mirror, before, after, paths=paths, ignore=ignore) == changes


def test_a_commit_does_not_differ_from_itself(push):
    mirror, before, _ = push
    assert not git.changed(mirror, before, before)
