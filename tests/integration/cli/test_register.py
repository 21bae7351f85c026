"""`farm register`: a repository without a hook, asked by the dispatcher for what it has."""


def test_a_repository_elsewhere_is_registered_with_what_it_has_as_its_baseline(cli, farm):
    cli.git("init", "-q", "-b", "main", "work")
    cli.git("commit", "-q", "--allow-empty", "-m", "First", cwd=cli.folder / "work")
    cli.git("clone", "-q", "--bare", "work", "app.git")
    commit = cli.git("rev-parse", "HEAD", cwd=cli.folder / "work")
    ran = cli("register", "app", f"file://{cli.folder}/app.git")
    assert ran.code == 0, ran.err
    assert "farm: app is registered" in ran.out
    assert "farm.yml names no `forge` of it; it is asked for pushes every 60 s" in ran.out
    assert farm.ledger.baseline("app") == {"refs/heads/main": commit}
    assert not farm.ledger.repository("app").token_hash, "nobody waits for a hook"
    assert cli("register", "app", f"file://{cli.folder}/app.git").code == 0, "it may be repeated"


def test_what_cannot_be_registered_is_said(cli):
    ran = cli("register", "app", f"file://{cli.folder}/none.git")
    assert (ran.code, "git cannot read file://" in ran.err) == (2, True), ran.err
    ran = cli("register", "app", "https://ada:hidden@git.example/app.git")
    assert (ran.code, "repositories.app.git.token" in ran.err, "hidden" in ran.err) == (2, True, False), ran.err
