"""Pipelines as lines: pure text from documents."""

from pathlib import Path

import pytest
from rich.cells import cell_len

from farm.cli import view, watch
from farm.cli.here import address, match
from farm.cli.replay import chosen
from farm.cli.terminal import shown
from farm.durations import duration
from farm.errors import Refused

DOCUMENT = {
    "number": 218,
    "repository": "thyme",
    "ref": "refs/heads/main",
    "commit": "3f9c2e1" + "0" * 33,
    "subject": "Fix \x1b[31mVAT\r\n",
    "author": "Ada",
    "who": "ada",
    "status": "failed",
    "reason": "definition\n.farm.yml:1:1: one\n.farm.yml:2:1: two",
    "created": 100.0,
    "started": None,
    "finished": 101.5,
    "image": None,
    "released": [],
    "stages": [],
}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (3.24, "3.2 s"),
        (42.4, "42 s"),
        (185, "3 min 5 s"),
        (1800, "30 min"),
        (7440, "2 h 4 min"),
        (86400 * 3, "3 d"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_a_reason_of_several_lines_is_not_glued_together():
    assert view.summary(DOCUMENT, 200.0) == "✗ failed after 1.5 s: definition"
    assert view.why(DOCUMENT)[1:] == [".farm.yml:1:1: one", ".farm.yml:2:1: two"]


def test_what_was_released_is_shown_also_where_a_hook_failed_after_it():
    failed = {**DOCUMENT, "image": "host:5000/thyme@sha256:ab", "released": ["latest"], "status": "failed"}
    assert "  released  latest" in view.outcome(failed, "link")
    assert [*view.outcome({**failed, "released": [], "status": "superseded"}, "link")] == [
        "  image     host:5000/thyme@sha256:ab",
        "  page      link",
    ]


def test_strangers_text_is_harmless():
    assert view.headline(DOCUMENT) == '#218 thyme main 3f9c2e1 "Fix VAT"'
    assert view.headline({**DOCUMENT, "commit": "0" * 40, "subject": ""}) == "#218 thyme main deleted"


@pytest.mark.parametrize("width", [20, 41, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    wide = {**DOCUMENT, "subject": "日本語" * 90, "ref": "refs/heads/" + "ü" * 100, "repository": "r" * 100}
    for line in view.table([wide, DOCUMENT], 200.0, width):
        assert cell_len(line) <= width


def test_a_stage_of_several_jobs_shows_each():
    job = {"status": "passed", "worker": "w1", "attempts": 2, "reason": None, "started": 1.0, "finished": 2.0}
    jobs = [{**job, "name": "test/unit"}, {**job, "name": "test/end", "status": "failed"}]
    stage = {"name": "test", "status": "failed", "started": 1.0, "finished": 2.0, "jobs": jobs}
    lines = [line.split() for _, line in view.jobs({**DOCUMENT, "stages": [stage]}, 5.0)]
    assert [line[1] for line in lines] == ["test", "unit", "end"]
    assert "attempts" in lines[1]
    assert view.broken({**DOCUMENT, "stages": [stage]}) == ["test/end"]


def test_a_job_says_how_many_files_it_left_as_long_as_they_are_kept():
    row = {"name": "test", "status": "failed", "reason": "timed out after 4 s", "started": 1.0, "finished": 5.0}
    stage = {"name": "test", "status": "failed", "jobs": [{**row, "result": {"artifacts": {"count": 2, "expires": 9}}}]}
    [(_, line)] = view.jobs({**DOCUMENT, "stages": [stage]}, 8.0)
    assert line.endswith("4.0 s, 2 files kept, timed out after 4 s")
    [(_, line)] = view.jobs({**DOCUMENT, "stages": [stage]}, 10.0)
    assert line.endswith("4.0 s, timed out after 4 s")


def test_what_failed_behind_the_release_is_not_replayed():
    stages = [
        {"name": "test", "jobs": [{"name": "test", "status": "passed"}]},
        {
            "name": "release",
            "jobs": [{"name": "release", "status": "passed"}, {"name": "release/tell", "status": "failed"}],
        },
    ]
    with pytest.raises(Refused, match="#218 failed in release/tell, and only jobs of the test stage run again here"):
        chosen({**DOCUMENT, "image": "x@sha256:1", "stages": stages}, None)


def test_an_allowed_failure_is_no_broken_step():
    job = {"name": "test/lint", "status": "failed", "allowed": True, "reason": "script ended with exit code 1"}
    stage = {"name": "test", "status": "passed", "jobs": [{**job, "started": 1.0, "finished": 2.0}]}
    [(_, line)] = view.jobs({**DOCUMENT, "stages": [stage]}, 5.0)
    assert "failed" in line
    assert "which is allowed" in line
    assert view.broken({**DOCUMENT, "stages": [stage]}) == []


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("git@Farm.example:srv/thyme.git", "ssh://git@Farm.example:2222/srv/thyme"),
        ("https://u:p@farm.example/a/thyme.git/", "http://farm.example/a/thyme"),
        ("file:///srv/thyme.git", "/srv/thyme"),
        ("../thyme.git", "/srv/thyme"),
    ],
)
def test_one_address_in_several_forms(url, same):
    assert address(url, Path("/srv/work")) == address(same, Path("/"))


def test_a_clone_is_of_the_repository_that_its_remote_leads_to():
    repositories = [{"name": "a/thyme", "url": "/srv/a/thyme.git"}, {"name": "thyme", "url": "/srv/b/thyme.git"}]
    assert match(["file:///srv/a/thyme.git"], repositories, Path("/")) == "a/thyme"
    assert match(["git@elsewhere:c/thyme.git"], repositories, Path("/")) == "thyme"
    assert match(["git@elsewhere:c/sage.git"], repositories, Path("/")) is None


def test_a_log_keeps_its_colours_and_nothing_else():
    line = "\x1b[1;31mE \x1b[0m19\x1b[2J\x1b]0;title\x07 \x1b[38:5:1mx\x08\r\n"
    assert shown(line, colour=True) == "\x1b[1;31mE \x1b[0m19 \x1b[38:5:1mx\x1b[0m"
    assert shown(line, colour=False) == "E 19 x"


def test_a_line_of_who_watches_says_which_job_it_is_about():
    jobs = [
        {"name": "test/typos", "status": "failed", "allowed": True, "reason": "script ended with exit code 3"},
        {"name": "test/unit", "status": "running", "reason": None},
    ]
    alone = {"name": "release", "status": "pending", "reason": "superseded by #21"}
    stages = [
        {"name": "test", "status": "running", "jobs": jobs},
        {"name": "release", "status": "pending", "jobs": [alone]},
    ]
    assert watch.standing({"stages": stages, "waiting": None}) == (
        "test running, release pending; typos: script ended with exit code 3, which is allowed; superseded by #21"
    )
