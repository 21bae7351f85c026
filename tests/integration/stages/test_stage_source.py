"""The build context that a worker streams is the one that `docker build` would send from a checkout."""

import tarfile
from pathlib import Path
from typing import Any

import pytest
from docker.utils.build import exclude_paths

from farm import git
from farm.definition import Build
from farm.errors import Failed
from workers.source import context
from workers.tree import Tree

FILES = {
    "Dockerfile": "FROM scratch\n",
    "README.md": "r",
    "a.log": "l",
    "app/main.py": "m",
    "app/a.log": "l",
    "app/node_modules/x/y.js": "y",
    "app/keep/x.txt": "x",
    "app/keep/deep/er/x.log": "x",
    "docs/a.md": "a",
    "docs/README.md": "b",
    "ünï cödé/" + "n" * 120 + "/" + "m" * 90: "long",
}


class Sender:
    """A repository whose commits are sent as build contexts."""

    def __init__(self, repository: Any, mirror: Path) -> None:
        self.tree, self.mirror, self._repository = repository.tree, mirror, repository

    def commit(self, files: dict[str, str]) -> str:
        return git.ensure(self.mirror, self._repository.url, self._repository.commit(files))

    def sent(self, commit: str, build: Build | None = None) -> dict[str, tarfile.TarInfo]:
        with (
            context(Tree.of(self.mirror, commit), build or Build()) as stream,
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            return {member.name: member for member in tar}


@pytest.fixture
def sender(repository: Any, tmp_path: Path) -> Sender:
    return Sender(repository, tmp_path / "mirror.git")


@pytest.mark.parametrize(
    "ignore",
    [
        "",
        "# nothing\n\n",
        "*.log\n",
        "**/*.log\n",
        "docs\n!docs/README.md\n",
        "*\n!app/main.py\n!README.md\n",
        "**/node_modules\n",
        "/app/keep/\n",
        "app\n!app/keep/deep\n",
        "Dockerfile\n.dockerignore\n",
        "*.md\n!README.md\n",
        "./docs/../a.log\n",
    ],
)
def test_dockerignore(sender, ignore):
    commit = sender.commit({**FILES, ".dockerignore": ignore})
    patterns = [line.strip() for line in ignore.splitlines() if line.strip() and not line.startswith("#")]
    wanted = {path for path in exclude_paths(str(sender.tree), patterns) if not (path + "/").startswith(".git/")}
    assert set(sender.sent(commit)) == wanted


def test_contents_modes_and_links_survive(sender):
    (sender.tree / "run").write_text("#!/bin/sh\n")
    (sender.tree / "run").chmod(0o755)
    (sender.tree / "link").symlink_to("app/main.py")
    commit = sender.commit({**FILES, ".dockerignore": "*.log\n", "big": "x" * 3_000_001})
    with context(Tree.of(sender.mirror, commit), Build()) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        files = {member.name: (member, tar.extractfile(member).read() if member.isreg() else b"") for member in tar}
    assert files["run"][0].mode & 0o111
    assert files["link"][0].linkname == "app/main.py"
    assert files["big"][1] == b"x" * 3_000_001
    assert files["app/main.py"][1] == b"m"


def test_a_folder_as_context_has_its_own_ignore_file(sender):
    files = {"sub/Dockerfile": "FROM scratch\n", "sub/a/b": "1", "sub/a/c": "2", "sub/.dockerignore": "a/c\n"}
    commit = sender.commit({**files, "above": "x", ".dockerignore": "*\n"})
    assert set(sender.sent(commit, Build(context="sub"))) == {"Dockerfile", "a", "a/b", ".dockerignore"}


def test_the_ignore_file_of_a_dockerfile_goes_first(sender):
    files = {"x/prod.Dockerfile": "FROM scratch\n", "x/prod.Dockerfile.dockerignore": "a\n", "a": "1", "b": "1"}
    commit = sender.commit({**files, ".dockerignore": "b\n"})
    sent = sender.sent(commit, Build(dockerfile="x/prod.Dockerfile"))
    assert "b" in sent
    assert "a" not in sent


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (Build(), "Dockerfile"),
        (Build(context="sub"), "sub/Dockerfile"),
        (Build(context="gone"), "gone/Dockerfile"),
        (Build(dockerfile="docker/prod"), "docker/prod"),
        (Build(dockerfile="sub"), "sub"),
    ],
)
def test_no_dockerfile(sender, build, path):
    commit = sender.commit({"sub/a": "1"})
    with (
        pytest.raises(Failed, match=rf'^no Dockerfile at "{path}" in {commit[:7]}; add one or set build.dockerfile$'),
        context(Tree.of(sender.mirror, commit), build),
    ):
        pass
