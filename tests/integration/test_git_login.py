"""Repositories that git must prove itself to: a token over http, a key over ssh, and hosts whose keys are pinned."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm import git
from farm.errors import Errored
from farm.git import Login
from farm.settings import GitSettings
from tests.gitserver import GitHttp, sshd

TOKEN = "a-token-for-tests%20&'\"$(x)"
GIT = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")


@pytest.fixture
def commit(tmp_path: Path) -> str:
    """A commit in the bare repository srv/thyme.git."""
    for command in (
        ("init", "-q", "-b", "main", "work"),
        ("-C", "work", "commit", "-q", "--allow-empty", "-m", "One"),
        ("clone", "-q", "--bare", "work", "srv/thyme.git"),
    ):
        subprocess.run([*GIT, *command], cwd=tmp_path, check=True, capture_output=True)
    head = subprocess.run(["git", "-C", "work", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True)
    return head.stdout.decode().strip()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHttp]:
    with GitHttp(tmp_path / "srv", "git", TOKEN).serving() as server:
        yield server


def test_a_token_opens_a_repository_and_is_seen_nowhere(tmp_path: Path, commit: str, server: GitHttp) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    login, url, mirror = (
        git.login(GitSettings(token={"file": str(file)})),
        f"{server.url}/thyme.git",
        tmp_path / "m.git",
    )
    assert git.ls_remote(url, login=login) == {"refs/heads/main": commit}
    assert git.ensure(mirror, url, commit, login=login) == commit
    assert git.look(mirror, url, commit, "refs/heads/main", ".farm.yml", login=login).tip == commit
    assert any("git" in words and "fetch" in words and url in words for words in server.commands)
    assert not any(TOKEN in words or "a-token-for" in words for words in server.commands)
    assert not any("a-token-for" in path.read_text(errors="replace") for path in mirror.rglob("*") if path.is_file())
    assert "a-token-for" not in repr(login)


@pytest.mark.parametrize("login", [None, Login(), Login("git", "a-token-of-yesterday")])
def test_without_the_right_token_one_sentence_says_so_and_no_token(
    login: Login | None, server: GitHttp, commit: str
) -> None:
    assert commit
    with pytest.raises(Errored, match=r"cannot read http://127\.0\.0\.1:") as told:
        git.ls_remote(f"{server.url}/thyme.git", login=login)
    assert "a-token" not in f"{told.value} {told.value.__cause__}"


def test_a_token_goes_to_no_other_host(tmp_path: Path, commit: str, server: GitHttp) -> None:
    assert commit
    other = server.url.replace("127.0.0.1", "localhost")
    with GitHttp(tmp_path, "git", TOKEN, elsewhere=other).serving() as first, pytest.raises(Errored):
        git.ls_remote(f"{first.url}/thyme.git", login=Login("git", TOKEN))
    assert server.given
    assert set(server.given) == {None}


def test_a_token_that_is_away_or_torn_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Errored, match="which should hold a secret, cannot be read"):
        git.login(GitSettings(token={"file": str(tmp_path / "none")}))
    (tmp_path / "torn").write_text("a\nhost=evil")
    with pytest.raises(Errored, match="more than one line"):
        git.login(GitSettings(token={"file": str(tmp_path / "torn")}))
    assert git.login(None) is None


def test_a_key_opens_a_repository_on_a_host_whose_key_is_pinned(
    tmp_path: Path, commit: str, need: Any, ports: Any, poll: Any
) -> None:
    folder = tmp_path / "it's ssh"
    folder.symlink_to(tmp_path)
    with sshd(tmp_path, need, ports(1)[0], poll) as base:
        url = f"{base}{tmp_path}/srv/thyme.git"
        settings = GitSettings(key=folder / "user", known_hosts=folder / "known_hosts")
        assert git.ensure(tmp_path / "m.git", url, commit, login=git.login(settings)) == commit
        for wrong, words in (
            ({"known_hosts": folder / "wrong_hosts"}, "Host key verification failed"),
            ({"known_hosts": folder / "empty"}, "host key is known"),
            ({"key": folder / "other"}, "Permission denied"),
        ):
            with pytest.raises(Errored, match=words):
                git.ls_remote(url, login=git.login(settings.model_copy(update=wrong)))
        assert (folder / "known_hosts").read_text().count("\n") == 1, "nothing is learnt on the way"
