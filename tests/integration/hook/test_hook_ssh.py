"""A push over ssh, through a private sshd: the same lines, the same limits, and nothing that holds the connection."""

import pytest

from tests.gitserver import sshd

SILENT = "warning: the farm does not answer; the push is safe, its pipeline will start by itself"


@pytest.fixture
def ssh(git, tmp_path, need, ports, poll):
    """A private sshd that lets this user in with a key of the test's; `git` then pushes through it."""
    with sshd(tmp_path, need, ports(1)[0], poll) as base:
        client = f"ssh -F /dev/null -o UserKnownHostsFile={tmp_path}/known_hosts -o LogLevel=ERROR"
        git.env["GIT_SSH_COMMAND"] = f"{client} -i {tmp_path}/user"
        git("remote", "set-url", "origin", f"{base}{git.bare}")
        yield


@pytest.mark.usefixtures("ssh")
def test_over_ssh(git, door):
    door.lines = ["success: pipeline #218 queued"]
    git.commit()
    plain = git.push("HEAD:main")
    assert (plain.code, "remote: success: pipeline #218 queued" in plain.output) == (0, True), plain.output
    door.documents = lambda _: {"number": 218, "status": "passed", "created": 1.0, "finished": 9.0, "stages": []}
    git.commit()
    assert "success: pipeline #218 passed after 8 s" in git.push("-o", "farm.watch", "HEAD:main").output
    git.install(door.url, prompt=True)
    door.mood = "hang"
    git.commit()
    hung = git.push("HEAD:main")
    assert hung.code == 0
    assert SILENT in hung.output
    assert hung.seconds < plain.seconds + 8
