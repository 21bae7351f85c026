"""What git's reflog lists and no hook has reported: hooks that were killed, hooks that were not there."""

import itertools
import json
import os
import shutil
import subprocess
import time

import pytest

from farm import spools
from farm.cli import installing
from farm.cli.bare import Bare


@pytest.fixture
def farm(git, door):
    """The repository with the hook as `farm hook install` leaves it."""
    installing.install(
        Bare(git.bare), {"url": door.url, "token": "t", "repository": "thyme"}, "1", Bare(git.bare).reflogs()
    )
    return git


def push_killed(git, refs):
    """Let git move the refs and kill its hook at once."""
    hook = git.bare / "hooks/post-receive"
    kept = hook.read_bytes()
    hook.write_text("#!/bin/sh\nkill -9 $$\n")
    assert git.push(refs).code == 0
    hook.write_bytes(kept)


def aged(git, seconds=100):
    """Let what is pushed from now on be older."""
    git.env["GIT_COMMITTER_DATE"] = f"{int(time.time()) - seconds} +0000"


def deliver(git, options=()):
    command = [str(git.bare / "hooks/post-receive"), "--deliver", *options, str(git.bare)]
    done = subprocess.run(command, env=git.env, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_hook_that_was_killed_is_made_good(farm, door):
    aged(farm)
    new = farm.commit()
    push_killed(farm, "HEAD:main")
    assert door.asked == []
    assert farm.spool() == []
    assert deliver(farm) == ""
    (asked,) = door.asked
    (update,) = asked["updates"]
    assert asked["source"] == "reflog"
    assert (update["ref"], update["old"], update["new"]) == ("refs/heads/main", "0" * 40, new)
    assert update["reflog"] == [["0" * 40, new, update["line"]]]
    assert update["who"] == "ada"
    assert update["line"].endswith("-0")
    deliver(farm)
    assert len(door.asked) == 1


def test_hook_and_reflog_name_the_same_line(farm, door):
    aged(farm)
    first, second = farm.commit(), farm.commit("Again")
    for _ in range(3):  # back and forth, all within one second
        for target in (first, second):
            farm.push("-f", f"{target}:refs/heads/main")
    by_hook = [(update["old"], update["new"], update["line"]) for update in door.updates]
    assert [line.split("-")[1] for *_, line in by_hook] == ["0", "0", "0", "1", "1", "2"]
    deliver(farm, ["--now"])
    by_reflog = [update for asked in door.asked if asked["source"] == "reflog" for update in asked["updates"]]
    assert [(update["old"], update["new"], update["line"]) for update in by_reflog] == by_hook


def test_a_hook_on_its_way_is_not_overtaken(farm, door):
    farm.commit()
    push_killed(farm, "HEAD:main")
    deliver(farm)
    assert door.asked == []
    log = farm.bare / "logs/refs/heads/main"
    text = log.read_text()
    log.write_text(text.replace(text.split("> ")[1].split()[0], str(int(time.time()) - 31)))
    os.utime(log)
    deliver(farm)
    assert len(door.updates) == 1


def test_pushes_without_a_hook_are_told_when_it_is_back(farm, door):
    aged(farm)
    farm.commit()
    farm.push("HEAD:main")
    bare = Bare(farm.bare)
    installing.remove(bare)
    news = []
    for _ in range(3):
        news.append(farm.commit())
        farm.push("HEAD:main")
    farm.push("HEAD:refs/heads/side")
    assert len(door.updates) == 1
    settings = {"url": door.url, "token": "t", "repository": "thyme"}
    installing.install(bare, settings, "1", bare.reflogs())
    deliver(farm)
    told = [update for asked in door.asked if asked["source"] == "reflog" for update in asked["updates"]]
    assert [u["new"] for u in told if u["ref"] == "refs/heads/main"][-3:] == news
    assert [u["new"] for u in told if u["ref"] == "refs/heads/side"] == news[-1:]


def test_what_was_there_before_the_registration_is_past(git, door):
    aged(git)
    bare = Bare(git.bare)
    installing.remove(bare)
    git.commit()
    (git.bare / "hooks/post-receive").unlink(missing_ok=True)
    git.push("HEAD:main")
    for registered in ("1", "2"):
        installing.install(bare, {"url": door.url, "token": "t", "repository": "thyme"}, registered, bare.reflogs())
        deliver(git)
        assert door.asked == []
        git.commit()
        shutil.move(git.bare / "hooks/post-receive", git.folder / "aside")
        git.push("HEAD:main")
        shutil.move(git.folder / "aside", git.bare / "hooks/post-receive")
    deliver(git)
    assert len(door.updates) == 1


def test_a_repository_without_marks_begins_now(git, door):
    aged(git)
    git.commit()
    git.push("HEAD:main")
    (git.bare / "farm/reflogs.json").unlink(missing_ok=True)
    deliver(git)
    assert [asked["source"] for asked in door.asked] == ["hook"]
    git.commit()
    push_killed(git, "HEAD:main")
    deliver(git)
    assert [asked["source"] for asked in door.asked] == ["hook", "reflog"]


def test_a_branch_that_is_made_anew_begins_anew(farm, door):
    aged(farm)
    first = farm.commit()
    push_killed(farm, "HEAD:main")
    deliver(farm)
    farm("config", "receive.denyDeleteCurrent", "ignore", cwd=farm.bare)
    push_killed(farm, ":main")
    aged(farm, 90)
    push_killed(farm, f"{first}:refs/heads/main")
    deliver(farm)
    assert [(update["old"], update["new"]) for update in door.updates] == [("0" * 40, first)] * 2


def test_expired_lines_are_not_told_again(farm, door):
    for age in (300, 200, 100):
        aged(farm, age)
        farm.commit()
        push_killed(farm, "HEAD:main")
        deliver(farm)
    assert len(door.updates) == 3
    log = farm.bare / "logs/refs/heads/main"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[1:]))
    deliver(farm)
    log.write_text(lines[0])  # the newest were of no branch any more
    deliver(farm)
    assert len(door.updates) == 3
    aged(farm, 90)
    farm.commit()
    push_killed(farm, "HEAD:main")
    deliver(farm)
    assert len(door.updates) == 4


def test_a_farm_that_is_away_hears_it_later(farm, door):
    aged(farm)
    for name in ("main", "side"):
        farm.commit()
        push_killed(farm, f"HEAD:{name}")
    door.status = 503
    command = [str(farm.bare / "hooks/post-receive"), "--deliver", str(farm.bare)]
    assert subprocess.run(command, env=farm.env, check=False, capture_output=True).returncode == 1
    door.status = 200
    door.asked.clear()
    deliver(farm)
    assert {update["ref"] for update in door.updates} == {"refs/heads/main", "refs/heads/side"}


def test_what_the_farm_refuses_holds_up_nothing(farm, door):
    aged(farm)
    for name in ("main", "odd", "side"):
        farm.commit()
        push_killed(farm, f"HEAD:{name}")
    door.refuse = lambda update: update["ref"] == "refs/heads/odd"
    deliver(farm)
    door.asked.clear()
    deliver(farm)
    assert door.asked == []


def test_the_next_push_tells_of_one_that_was_lost(farm, door, poll):
    aged(farm)
    lost = farm.commit()
    push_killed(farm, "HEAD:main")
    os.utime(farm.bare / "farm/reflogs.json", (time.time() - 60,) * 2)
    farm.commit()
    farm.push("HEAD:main")
    poll(lambda: any(asked["source"] == "reflog" for asked in door.asked))
    assert lost in [update["new"] for asked in door.asked if asked["source"] == "reflog" for update in asked["updates"]]


def test_thousands_of_lines_go_in_parts(farm, door):
    log = farm.bare / "logs/refs/heads/main"
    log.parent.mkdir(parents=True, exist_ok=True)
    ids = [f"{number:040x}" for number in range(1, 1002)]
    pairs = enumerate(itertools.pairwise(ids))
    lines = [f"{old} {new} A <a@b> {number} +0000\tpush\n" for number, (old, new) in pairs]
    log.write_text("".join(lines) + ids[0])
    printed = json.loads(deliver(farm, ["--now"]))
    assert [update["new"] for update in door.updates] == ids[1:]
    assert max(len(asked["updates"]) for asked in door.asked) == 100
    assert max(len(update["reflog"]) for update in door.updates) <= 200
    assert printed == []  # this farm does not say that anything was new


def test_a_branch_that_gets_another_name_brings_no_pushes_of_the_old_one(farm, door):
    """Git takes the reflog along to the new name."""
    aged(farm)
    for _ in range(3):
        farm.commit()
        farm.push("HEAD:refs/heads/old")
    deliver(farm)
    farm("branch", "-m", "old", "new", cwd=farm.bare)
    news = []
    for _ in range(2):
        news.append(farm.commit())
        push_killed(farm, "HEAD:refs/heads/new")
    deliver(farm)
    assert [update["new"] for update in door.updates if update["ref"] == "refs/heads/new"] == news


def test_who_pushed_need_not_be_utf8(farm, door):
    """So a mark is found again that ends with such a name."""
    aged(farm)
    farm.env["GIT_COMMITTER_NAME"] = b"J\xfcrgen".decode(errors="surrogateescape")
    for _ in range(2):
        farm.commit()
        push_killed(farm, "HEAD:main")
    deliver(farm)
    before = len(door.updates)
    settings = {"url": door.url, "token": "t", "repository": "thyme"}
    installing.install(Bare(farm.bare), settings, "2", Bare(farm.bare).reflogs())
    for _ in range(2):
        new = farm.commit()
        push_killed(farm, "HEAD:main")
        deliver(farm)
        assert [update["new"] for update in door.updates[before:]] == [new]
        before += 1


def test_marks_that_cannot_be_read_are_none(git, door):
    """What a loss of power can leave; a reflog may go back to times before the farm."""
    aged(git)
    git.commit()
    git.push("HEAD:main")
    door.asked.clear()
    for text in ("", "[]", "{}", '{"refs": []}'):
        (git.bare / "farm/reflogs.json").write_text(text)
        deliver(git)
    assert door.asked == []
    new = git.commit()
    push_killed(git, "HEAD:main")
    deliver(git)
    assert [update["new"] for update in door.updates] == [new]


def test_a_clock_that_was_ahead_and_is_right_again_holds_nothing_up(farm, door):
    """What was written meanwhile is of tomorrow."""
    aged(farm, -86400)
    new = farm.commit()
    push_killed(farm, "HEAD:main")
    tomorrow = (time.time() + 86400,) * 2
    os.utime(farm.bare / "logs/refs/heads/main", tomorrow)
    os.utime(farm.bare / "farm/reflogs.json", tomorrow)
    assert spools.due(farm.bare)
    deliver(farm)
    assert [update["new"] for update in door.updates] == [new]
    assert not spools.due(farm.bare)
    (farm.bare / "farm/spool/5000000000.000000-x.json").write_text("{}")
    os.utime(farm.bare / "farm/spool/5000000000.000000-x.json", tomorrow)
    assert spools.due(farm.bare)
