"""`farm sync`, and the spools that the dispatcher empties on its own machine."""

import os
import time

import pytest

from farm import spools


@pytest.fixture
def bare(cli):
    """A bare repository `app.git` with the hook and one commit on main that was there before."""
    cli.git("init", "-q", "--bare", "-b", "main", "app.git")
    cli.git("clone", "-q", "app.git", "work")
    cli.git("commit", "-q", "--allow-empty", "-m", "First", cwd=cli.folder / "work")
    cli.git("push", "-q", "origin", "HEAD:main", cwd=cli.folder / "work")
    ran = cli("hook", "install", cli.folder / "app.git")
    assert ran.code == 0, ran.err
    assert "the dispatcher, on the same machine, delivers what a push could not" in ran.out
    return cli.folder / "app.git"


def _push(cli, hook=None, target="main"):
    """Push a commit, with another program for the hook, and return the commit."""
    work, path = cli.folder / "work", cli.folder / "app.git/hooks/post-receive"
    kept = path.read_bytes()
    if hook:
        path.write_text(hook)
    cli.git("commit", "-q", "--allow-empty", "-m", "Next", cwd=work)
    cli.git("push", "-q", "origin", f"HEAD:refs/heads/{target}", cwd=work)
    path.write_bytes(kept)
    return cli.git("rev-parse", "HEAD", cwd=work)


KILLED = "#!/bin/sh\nkill -9 $$\n"


@pytest.mark.usefixtures("bare")
def test_nothing_new(cli):
    assert cli("sync", "app").out == "app: nothing new\n"
    assert cli("sync", "none").code == 2


@pytest.mark.usefixtures("bare")
def test_sync_says_what_it_found(cli, farm):
    lost = _push(cli, KILLED)
    side = _push(cli, KILLED, "side")
    ran = cli("sync", "app")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0] == "app: 2 pushes that the farm did not know"
    assert f"main {farm.ledger.push(1).old[:7]} -> {lost[:7]}, in git's reflog only" in ran.out
    assert f"#2 side created at {side[:7]}, in git's reflog only" in ran.out
    assert cli("sync", "app").out == "app: nothing new\n"
    assert len(farm.record.pipelines(repository="app")) == 2


def test_what_only_the_repository_knows(cli, bare):
    cli.git("config", "core.logAllRefUpdates", "false", cwd=bare)
    _push(cli, "#!/bin/sh\n", "side")
    cli.git("push", "-q", "origin", ":refs/heads/side", cwd=cli.folder / "work")
    cli.git("config", "core.logAllRefUpdates", "false", cwd=bare)
    _push(cli, "#!/bin/sh\n", "other")
    document = cli("sync", "app", "--json").document
    assert [(push["ref"], push["source"]) for push in document[0]["found"]] == [("refs/heads/other", "ls-remote")]
    assert document[0]["problems"] == []


def test_a_repository_that_is_gone_is_a_problem(cli, bare):
    bare.rename(bare.with_name("moved.git"))
    ran = cli("sync")
    assert ran.code == 1
    assert "error: git cannot read" in ran.out


def test_the_dispatcher_empties_the_spools_of_its_machine(cli, bare, farm, poll):
    """The farm did not answer when one was pushed, and the hook of the other was killed."""
    loop = spools.Spools(farm.ledger)
    settings = bare / "farm/hook.json"
    kept = settings.read_text()
    settings.write_text(kept.replace("http://127.0.0.1:", "http://127.0.0.2:"))
    lost = _push(cli)
    settings.write_text(kept)
    killed = _push(cli, KILLED)
    assert not spools.due(bare)  # both are too young: a hook may be on its way
    loop.look()
    _age(bare, 60)
    assert spools.due(bare)
    assert poll(lambda: loop.look() and len(farm.record.pipelines(repository="app")) == 2, every=0.1)
    assert [farm.ledger.push(number).new for number in (1, 2)] == [lost, killed]
    poll(lambda: not list((bare / "farm/spool").iterdir()))
    poll(lambda: not spools.due(bare))


def test_a_repository_of_another_owner_is_delivered_as_its_owner(cli, bare):
    if os.geteuid():
        pytest.skip("only root can become the owner")
    lost = _push(cli, KILLED)
    for path in (cli.folder, *bare.rglob("*"), bare):
        os.chown(path, 12345, 12345)
    _tell = bare / "hooks/post-receive"
    _tell.write_text(_tell.read_text().replace("def main() -> int:", "def main() -> int:\n    assert os.geteuid()", 1))
    for folder in cli.folder.parents:
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o001)
    news = spools.deliver(bare, "app", now=True)
    assert [push["new"] for push in news] == [lost]
    assert spools.deliver(bare, "other", now=True) is None


def test_only_local_repositories_have_a_spool_here(bare, tmp_path):
    assert spools.reachable(str(bare)) == bare
    assert spools.reachable(f"file://{bare}") == bare
    for url in ("ssh://host/srv/app.git", "git@host:app.git", str(tmp_path / "none.git"), str(tmp_path)):
        assert spools.reachable(url) is None


def _age(bare, seconds):
    """Let everything in the repository be older."""
    then = time.time() - seconds
    for path in (*(bare / "farm/spool").iterdir(), *(bare / "logs").rglob("*"), bare / "farm/reflogs.json"):
        if path.is_file():
            os.utime(path, (then, then))
