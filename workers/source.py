"""The tree of a commit as the tar stream of a build context, `.dockerignore` applied. Nothing is ever checked out.

The rules are those of `docker build`: <https://docs.docker.com/build/concepts/context/#dockerignore-files>.
"""

import io
import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from docker.utils.build import PatternMatcher

from farm.definition import Build
from farm.errors import Failed
from farm.pieces import Pieces
from workers.tree import END, Tree, entry

_CHUNK = 1 << 20


@contextmanager
def context(tree: Tree, build: Build) -> Iterator[IO[bytes]]:
    """Give the build context as a tar stream. Raises Failed when the commit has no such Dockerfile."""
    folder = posixpath.normpath(build.context)
    dockerfile = posixpath.normpath(posixpath.join(folder, build.dockerfile))
    if tree.show(dockerfile, limit=0) is None:
        raise Failed(f'no Dockerfile at "{dockerfile}" in {tree.commit[:7]}; add one or set build.dockerfile')
    ignore = _ignore(tree, folder, dockerfile)
    with tree.stream(folder) as stream:
        if ignore is None and folder == ".":
            yield stream
        else:
            yield io.BufferedReader(Pieces(_pick(stream, folder, ignore)), _CHUNK)


def dockerfile(tree: Tree, build: Build) -> str:
    """Return the text of the Dockerfile, "" where there is none."""
    text = tree.show(posixpath.normpath(posixpath.join(build.context, build.dockerfile)))
    return (text or b"").decode(errors="replace")


def _ignore(tree: Tree, folder: str, dockerfile: str) -> PatternMatcher | None:
    """Read the patterns: a file that belongs to the Dockerfile goes before the one of the context."""
    for path in (f"{dockerfile}.dockerignore", posixpath.join(folder, ".dockerignore")):
        text = tree.show(posixpath.normpath(path))
        if text is not None:
            lines = (line.strip() for line in text.decode("utf-8-sig", errors="replace").splitlines())
            patterns = [line for line in lines if line and not line.startswith("#")]
            return PatternMatcher([*patterns, f"!{posixpath.relpath(dockerfile, folder)}"])
    return None


def _pick(tree: IO[bytes], folder: str, ignore: PatternMatcher | None) -> Iterator[bytes]:
    """Yield the tar of the files that the build shall see, in the same order."""
    prefix = "" if folder == "." else f"{folder}/"
    ignored: set[str] = set()
    with tarfile.open(fileobj=tree, mode="r|") as tar:
        for member in tar:
            if not member.name.startswith(prefix):
                continue  # the folders above the context
            name = member.name.removeprefix(prefix)
            if ignore is not None and not _wanted(name, member.isdir(), ignore, ignored):
                continue
            member.name = name
            yield from entry(tar, member)
    yield END


def _wanted(name: str, folder: bool, ignore: PatternMatcher, ignored: set[str]) -> bool:
    """Say whether a path is sent. Below an ignored folder nothing is, unless an exception may lie in there."""
    parent = posixpath.dirname(name)
    if parent in ignored:
        if folder:
            ignored.add(name)
        return False
    if not ignore.matches(name):  # type: ignore[arg-type]
        return True
    if folder and not any(each.exclusion and each.cleaned_pattern.startswith(name) for each in ignore.patterns):
        ignored.add(name)
    return False
