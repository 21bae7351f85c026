"""Installing the hook: what it asks of the farm, what it leaves in the repository, and what a push does then."""

import json
import os
import stat
import subprocess
import sys

import pytest

from farm.cli import ground, installing, timer
from farm.cli.bare import Bare
from farm.errors import Refused


@pytest.fixture
def bare(cli):
    """A bare repository `app.git` with one commit on main."""
    cli.git("init", "-q", "--bare", "-b", "main", "app.git")
    cli.git("clone", "-q", "app.git", "work")
    work = cli.folder / "work"
    cli.git("commit", "-q", "--allow-empty", "-m", "First", cwd=work)
    cli.git("push", "-q", "origin", "HEAD:main", cwd=work)
    return cli.folder / "app.git"


def _push(cli, options=()):
    """Push; the hook waits for the farm's lines as long as a busy machine takes."""
    work = cli.folder / "work"
    hooks = [*cli.folder.glob("hooks/post-receive"), *cli.folder.glob("app.git/hooks/post-receive")]
    scripts = {hook: hook.read_bytes() for hook in hooks}
    for hook, script in scripts.items():
        hook.write_bytes(script.replace(b"\nPATIENCE = 1.15 ", b"\nPATIENCE = 30.0 "))
    cli.git("commit", "-q", "--allow-empty", "-m", "Next", cwd=work)
    printed = cli.git("push", "origin", "HEAD:main", *options, cwd=work)
    for hook, script in scripts.items():
        hook.write_bytes(script)
    return printed


def test_install_makes_pushes_arrive(cli, bare, farm):
    ran = cli("hook", "install", bare, "--timer", "none")
    assert ran.code == 0, ran.err
    assert "is the repository app" in ran.out
    assert f"{bare}/hooks/post-receive --deliver {bare}" in ran.out
    settings = json.loads((bare / "farm/hook.json").read_text())
    assert settings["repository"] == "app"
    assert settings["token"] != "all"
    assert stat.S_IMODE((bare / "farm/hook.json").stat().st_mode) == 0o640
    assert cli.git("config", "core.logAllRefUpdates", cwd=bare) == "always"
    assert cli.git("config", "receive.advertisePushOptions", cwd=bare) == "true"
    registered = farm.ledger.repository("app")
    assert (registered.url, registered.default_branch) == (str(bare), "main")
    printed = _push(cli, ("-o", "farm.skip"))
    assert "farm: app main" in printed
    (pipeline,) = farm.record.pipelines(repository="app")
    assert f"http://farm.example/pipelines/{pipeline.number}" in printed
    assert list((bare / "farm/spool").iterdir()) == []
    assert cli("hook", "status", bare).code == 0


def test_refs_with_strange_names_are_no_hindrance(cli, bare, farm):
    commit = cli.git("rev-parse", "main", cwd=bare)
    names = (b"refs/heads/caf\xe9", "refs/heads/two\u2028lines".encode())
    for name in names:
        subprocess.run([b"git", b"update-ref", name, commit.encode()], cwd=bare, check=True)
    ran = cli("hook", "install", bare, "--timer", "none")
    assert ran.code == 0, ran.err
    assert farm.ledger.baseline("app") == {"refs/heads/main": commit, names[1].decode(): commit}


def test_installing_again_is_harmless_and_keeps_the_name(cli, bare):
    cli("hook", "install", bare, "--name", "team/app", "--timer", "none")
    ran = cli("hook", "install", bare, "--timer", "none")
    assert ran.code == 0, ran.err
    assert "is the repository team/app" in ran.out
    assert "team/app main" in _push(cli)
    assert not (bare / "hooks/post-receive.farm-previous").exists()
    cli("hook", "remove", bare)
    assert "is the repository team/app" in cli("hook", "install", bare, "--timer", "none").out


def test_a_repository_has_one_name_and_so_one_pipeline_for_each_push(cli, bare):
    cli("hook", "install", bare, "--name", "team/app", "--timer", "none")
    for _ in range(2):
        ran = cli("hook", "install", bare, "--name", "other", "--timer", "none")
        assert (ran.code, ran.err.count("is registered as team/app")) == (2, 1)
        cli("hook", "remove", bare)


def test_a_foreign_hook_is_kept_and_runs_and_comes_back(cli, bare):
    hook = bare / "hooks/post-receive"
    hook.write_text("#!/bin/sh\nread old new ref; echo was here: $ref\n")
    hook.chmod(0o755)
    ran = cli("hook", "install", bare, "--timer", "none")
    assert "kept as" in ran.out
    cli("hook", "install", bare, "--timer", "none")
    printed = _push(cli)
    assert "was here: refs/heads/main" in printed
    assert "app main" in printed
    (bare / "farm/spool/left.json").write_text("{}")
    ran = cli("hook", "remove", bare)
    assert "is back" in ran.out
    assert "as long as it is registered, the farm finds them later, by asking; to end that: farm forget app" in ran.out
    assert "1 push was never delivered and stays in" in ran.out
    printed = _push(cli)
    assert "was here: refs/heads/main" in printed
    assert "app main" not in printed
    assert cli("hook", "remove", bare).code == 2


def test_a_hooks_folder_elsewhere_is_respected(cli, bare):
    cli.git("config", "core.hooksPath", str(cli.folder / "hooks"), cwd=bare)
    assert cli("hook", "install", bare, "--timer", "none").code == 0
    assert (cli.folder / "hooks/post-receive").exists()
    assert not (bare / "hooks/post-receive").exists()
    assert "app main" in _push(cli)
    cli("hook", "remove", bare)
    assert (cli.folder / "hooks/post-receive").exists()
    assert "app main" not in _push(cli)


def test_what_cannot_be_installed_is_refused_with_a_sentence(cli, bare):
    def refused(repository, words, name="app"):
        ran = cli("hook", "install", repository, "--name", name, "--timer", "none")
        assert ran.code in (2, 6)
        assert words in ran.err
        assert ran.err.count("\n") == 1

    refused(cli.folder / "nothing.git", words="there is no folder")
    refused(cli.folder / "work", words="is no bare repository")
    refused(cli.folder / "home", words="is no git repository")
    refused(bare, "choose another name", name="thyme")
    cli.git("init", "-q", "--bare", "My App.git")
    ran = cli("hook", "install", cli.folder / "My App.git", "--timer", "none")
    assert "--name my-app" in ran.err
    cli.more = {"FARM_URL": "http://127.0.0.1:9"}
    refused(bare, words="farm up")
    assert not (bare / "farm").exists()


def test_a_python_that_is_too_old_for_the_hook_is_left_to_the_system(tmp_path, monkeypatch):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    monkeypatch.setattr(installing, "_SYSTEM", str(old))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert installing._script().startswith(f"#!{sys.executable} -IS".encode())


def test_a_head_that_names_no_branch_is_said(bare):
    (bare / "HEAD").write_text("1" * 40 + "\n")
    with pytest.raises(Refused, match=r"names no branch; say which .*: git -C .* symbolic-ref HEAD refs/heads/main$"):
        _ = Bare(bare).default_branch


def test_status_says_what_is_wrong_and_how_to_mend_it(cli, bare):
    ran = cli("hook", "status", bare)
    assert ran.code == 1
    assert f"farm hook install {bare}" in ran.out
    cli("hook", "install", bare, "--timer", "none")
    cli.git("config", "core.logAllRefUpdates", "false", cwd=bare)
    (bare / "hooks/post-receive").chmod(0o644)
    settings = json.loads((bare / "farm/hook.json").read_text())
    (bare / "farm/hook.json").write_text(json.dumps({**settings, "token": "old"}))
    document = cli("hook", "status", bare, "--json").document
    assert [words for words in ("chmod +x", "logAllRefUpdates", "token") if words in str(document["mistakes"])] == [
        "chmod +x",
        "logAllRefUpdates",
        "token",
    ]


def test_refs_in_a_reftable_are_told(cli, bare):
    (bare / "reftable").mkdir()
    (bare / "reftable/tables.list").touch()  # all that git from 2.45 on makes is more of this
    ran = cli("hook", "install", bare, "--timer", "none")
    assert ran.code == 0, ran.err
    assert "warning: git keeps its refs as a reftable" in ran.out
    status = cli("hook", "status", bare)
    assert (status.code, "reftable" in status.out) == (0, True)
    (found,) = ground.hooks([bare], [])
    assert (found.verdict, found.mend) == ("warning", f"git -C {bare} refs migrate --ref-format=files")


def test_a_wrong_token_keeps_the_push_for_later(cli, bare, farm):
    cli("hook", "install", bare, "--timer", "none")
    settings = (bare / "farm/hook.json").read_text()
    (bare / "farm/hook.json").write_text(json.dumps({**json.loads(settings), "token": "old"}))
    assert "farm hook install" in _push(cli)
    assert len(list((bare / "farm/spool").glob("*.json"))) == 1
    (bare / "farm/hook.json").write_text(settings)
    _push(cli)
    cli.git("log", "-1", cwd=cli.folder / "work")
    subprocess.run([bare / "hooks/post-receive", "--deliver", bare], check=True)
    assert len(farm.record.pipelines(repository="app")) == 2


def test_units_and_cron_lines_hold_odd_names(cli):
    cli.git("init", "-q", "--bare", 'a b%"$.git')
    bare = Bare.find(cli.folder / 'a b%"$.git')
    assert "\\%" in timer.cron_line(bare)
    assert """a b%%\\"$.git/hooks/post-receive" --deliver "/""" in timer.service(bare)
    assert """a b%%\\"$$.git"\n""" in timer.service(bare)
    assert timer.unit_name("team/app") == "farm-deliver-team-app"


def test_cron_is_used_where_it_is_all_there_is(cli, bare, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    table = tmp_path / "table"
    table.write_text("0 1 * * * backup\n")
    (tools / "crontab").write_text(
        f'#!/bin/sh\nif [ "$1" = -l ]; then cat {table}; else cat > {table}.new && mv {table}.new {table}; fi\n'
    )
    (tools / "crontab").chmod(0o755)
    cli.more = {"PATH": f"{tools}:{os.environ['PATH']}"}
    for _ in range(2):
        assert cli("hook", "install", bare, "--timer", "cron").code == 0
    assert table.read_text() == f"0 1 * * * backup\n* * * * * {bare}/hooks/post-receive --deliver {bare}\n"
    cli("hook", "remove", bare)
    assert table.read_text() == "0 1 * * * backup\n"
