"""`farm trigger`: a pipeline without a push, by the real program, over a real repository."""

import getpass

import pytest

from farm.schedules import Kept, Slots, identity
from farm.settings import ScheduleSettings


@pytest.fixture
def work(cli, farm):
    """A clone of the bare repository `app`, with a commit on main that is there before and would be skipped."""
    cli.git("init", "-q", "--bare", "-b", "main", "app.git")
    cli.git("clone", "-q", "app.git", "work")
    work = cli.folder / "work"
    (work / ".farm.yml").write_text("test: make check\non: {paths: [src]}\n")
    cli.git("add", "-A", cwd=work)
    cli.git("commit", "-q", "-m", "First [ci skip]", cwd=work)
    cli.git("push", "-q", "origin", "HEAD:main", cwd=work)
    cli.git("tag", "-a", "v1", "-m", "One", cwd=work)
    cli.git("push", "-q", "origin", "v1", cwd=work)
    farm.ledger.register("app", str(cli.folder / "app.git"), "main", {})
    return work


def test_the_default_branch_as_it_is_now(cli, farm, work):
    ran = cli("trigger", "app")
    assert ran.code == 0, ran.err
    assert "pipeline #1 queued (build -> test -> release)" in ran.out
    commit = cli.git("rev-parse", "HEAD", cwd=work)
    push, pipeline = farm.ledger.push(1), farm.record.pipeline(1)
    assert (push.old, push.new, push.source, push.ref) == (commit, commit, "manual", "refs/heads/main")
    assert (pipeline.who, pipeline.by_hand, pipeline.subject) == (getpass.getuser(), True, "First [ci skip]")
    assert f"started by {getpass.getuser()}" in cli("show", "1").out
    assert cli("trigger", "app", "main", "--json").document["pipelines"][0]["number"] == 2


@pytest.mark.usefixtures("work")
def test_a_tag_and_a_full_name(cli, farm):
    assert cli("trigger", "app", "v1").code == 0
    assert cli("trigger", "app", "refs/heads/main").code == 0
    assert [farm.ledger.push(number).ref for number in (1, 2)] == ["refs/tags/v1", "refs/heads/main"]


@pytest.mark.usefixtures("work")
def test_variables_go_to_its_jobs(cli, farm):
    assert cli("trigger", "app", "-v", "LOAD=long", "-v", "URL=a=b").code == 0
    assert farm.record.pipeline(1).variables == {"LOAD": "long", "URL": "a=b"}
    assert '"LOAD":"long"' in farm.record.definition(1)


@pytest.mark.usefixtures("work")
def test_what_is_not_there(cli, farm):
    for arguments, words in (
        (("app", "main2"), "has no branch or tag 'main2'"),
        (("app", "-v", "LOAD"), "write it as in -v load=long"),
        (("app", "-v", "FARM_X=1"), "the farm sets this one itself"),
        (("none",), "no repository 'none'"),
        (("app", "-x"), "no such option"),
        (("app", "a..b"), "no full ref name"),
    ):
        ran = cli("trigger", *arguments)
        assert ran.code == 2, ran.out
        assert words in ran.err.lower().replace("no repository 'none' is registered", "no repository 'none'")
    assert farm.record.pipelines() == []


def test_mistakes_in_the_definition_are_told(cli, work):
    (work / ".farm.yml").write_text("tset: make check\n")
    cli.git("commit", "-qam", "Second", cwd=work)
    cli.git("push", "-q", "origin", "HEAD:main", cwd=work)
    ran = cli("trigger", "app")
    assert ran.code == 1
    assert ".farm.yml:1:1" in ran.out


def test_a_repository_that_is_away_starts_nothing(cli, farm, work):
    (work.parent / "app.git").rename(work.parent / "moved.git")
    ran = cli("trigger", "app")
    assert ran.code not in (0, 1)
    assert "git cannot read" in ran.err
    assert farm.record.pipelines() == []


def test_schedules_are_listed_with_their_next_times(cli, farm):
    service = cli.service
    daily = {"repository": "app", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}
    service.settings = service.settings.model_copy(update={"schedules": {"nightly": ScheduleSettings(**daily)}})
    ran = cli("schedules")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("nightly  app (default branch)  30 2 * * *  Europe/Berlin\n  next  ")
    assert ran.out.count(" 02:30 +0") == 3
    slots, (row,) = Slots(farm.redis), cli("schedules", "--json").document
    assert (row["last"], len(row["next"])) == (None, 3)
    ident = identity("nightly", service.settings.schedules["nightly"])
    assert slots.keep(ident, None, Kept(int(row["next"][0]), problem="app has no main"))
    assert "nothing: app has no main" in cli("schedules").out
