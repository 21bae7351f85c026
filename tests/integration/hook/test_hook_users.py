"""Several Unix users push to one repository: what one leaves in the spool another can deliver."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from farm.cli import installing
from farm.cli.bare import Bare
from tests.integration.hook.conftest import Git

ADA, BOB, TEAM = 61001, 61002, 61000

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")


@pytest.fixture
def shared():
    """A repository in a place that every user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="farm-users-", dir="/tmp"))
    folder.chmod(0o755)
    git = Git(folder)
    with (folder / "gitconfig").open("a") as config:
        config.write("[safe]\ndirectory = *\n")
    git.commit()
    yield git
    git.close()
    shutil.rmtree(folder)


def _give(git, mode, user=ADA):
    for path in [git.bare, *git.bare.rglob("*")]:
        os.chown(path, user, TEAM)
        if mode == "group":
            path.chmod(path.stat().st_mode | (0o2070 if path.is_dir() else 0o060))
    if mode == "group":
        git("config", "core.sharedRepository", "group", cwd=git.bare)
        os.chown(git.bare / "config", user, TEAM)


def _as(git, user, *command):  # noqa: ANN002
    return subprocess.run(
        command, cwd=git.work, env=git.env, user=user, group=TEAM, extra_groups=[], check=False, capture_output=True
    )


def test_one_of_the_team_delivers_what_another_pushed(shared, door, poll):
    _give(shared, "group")
    installing.install(Bare(shared.bare), {"url": "http://127.0.0.1:9", "token": "t", "repository": "thyme"}, "1", {})
    pushed = _as(shared, ADA, "git", "push", "-q", "origin", "HEAD:main")
    assert pushed.returncode == 0, pushed.stderr
    assert b"does not answer" in pushed.stderr
    installing.install(Bare(shared.bare), {"url": door.url, "token": "t", "repository": "thyme"}, "1", {})
    done = _as(shared, BOB, shared.bare / "hooks/post-receive", "--deliver", shared.bare)
    assert (done.returncode, done.stderr) == (0, b"")
    poll(lambda: shared.spool() == [])
    assert door.asked[0]["pusher"] == str(ADA)
    pushed = _as(shared, BOB, "git", "push", "-q", "origin", "HEAD:other")
    assert b"does not answer" not in pushed.stderr
    assert door.asked[-1]["pusher"] == str(BOB)


def test_what_root_pushed_its_owner_delivers(shared, door, poll):
    _give(shared, "own")
    installing.install(Bare(shared.bare), {"url": "http://127.0.0.1:9", "token": "t", "repository": "thyme"}, "1", {})
    assert {path.stat().st_uid for path in (shared.bare / "farm").rglob("*")} == {ADA}
    shared.push("HEAD:main")
    poll(shared.lingering, what="the delivery that stays behind")
    assert {path.stat().st_uid for path in (shared.bare / "farm").rglob("*")} == {ADA}
    installing.install(Bare(shared.bare), {"url": door.url, "token": "t", "repository": "thyme"}, "1", {})
    done = _as(shared, ADA, shared.bare / "hooks/post-receive", "--deliver", shared.bare)
    assert (done.returncode, done.stderr) == (0, b"")
    poll(lambda: shared.spool() == [])


def test_settings_that_a_pusher_may_not_read_are_a_word_of_warning(shared):
    _give(shared, "group")
    installing.install(Bare(shared.bare), {"url": "http://127.0.0.1:9", "token": "t", "repository": "thyme"}, "1", {})
    (shared.bare / "farm/hook.json").chmod(0o600)
    pushed = _as(shared, BOB, "git", "push", "-q", "origin", "HEAD:main")
    assert pushed.returncode == 0
    assert b"warning: the farm's hook could not report this push" in pushed.stderr
