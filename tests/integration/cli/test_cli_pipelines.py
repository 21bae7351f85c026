"""What the reading commands print about a real record, and how they end."""

import json
import os
import shlex
import signal
import subprocess
import sys

import pytest
from rich.cells import cell_len

from farm.pipeline import Status
from farm.record import Disk, Machine, WorkerInfo
from farm.settings import ScheduleSettings
from tests.integration.cli.conftest import on_terminal
from tests.programs import FARM, Program

FAILING = {
    "tests": {
        "total": 41,
        "passed": 39,
        "failed": 2,
        "skipped": 0,
        "failing": [
            {"name": "tests/test_vat.py::test_rounding", "message": "assert 19.01 == 19.0\nmore", "seconds": 0.1},
            {"name": "tests/test_vat.py::test_\x1b[31mzero", "message": "", "seconds": 0.1},
        ],
    },
    "exit": 1,
}


def _log(farm, number, step, text):
    with farm.logs.writer(number, step, int(farm.step(number, step).get("fence", 1))) as writer:
        writer.write(text.encode())


@pytest.fixture
def broken(farm):
    """A pipeline whose test failed."""
    number = farm.open()
    farm.record.describe(number, subject="Fix VAT", author="Ada")
    farm.pass_step(number, "build")
    claim = farm.claim(number, "test")
    _log(farm, number, "test", "collecting\n\x1b[31mE assert\x1b[0m 19.01\x1b]0;owned\x07\nlast line\n")
    farm.record.commit(claim, Status.FAILED, reason="2 of 41 tests failed", result=FAILING)
    return number


@pytest.fixture
def released(farm):
    """A pipeline that passed."""
    number = farm.open()
    farm.record.describe(number, subject="Round", author="Ada")
    farm.release(number)
    return number


def test_show_names_what_failed_and_what_to_do_next(cli, broken):
    ran = cli("show", broken)
    assert ran.code == 0
    assert f'#{broken} thyme main {("61" * 20)[:7]} "Fix VAT"' in ran.out
    assert "by Ada, pushed by jo" in ran.out
    assert "✗ test      failed" in ran.out
    assert "39 of 41 tests passed, 2 of 41 tests failed" in ran.out
    assert "✗ tests/test_vat.py::test_rounding  assert 19.01 == 19.0" in ran.out
    assert f"http://farm.example/pipelines/{broken}" in ran.out
    assert f"farm logs {broken} test" in ran.out
    assert "\x1b" not in ran.out


def test_show_of_a_release_gives_the_line_that_runs_it(cli, released):
    ran = cli("show", released)
    assert "docker run --rm -P --pull always host:5000/thyme:latest" in ran.out
    assert "released  latest" in ran.out


def test_json_has_the_shapes_of_the_design(cli, released, broken):
    document = cli("show", released, "--json").document
    assert document["number"] == released
    assert document["released"] == ["latest"]
    assert [stage["name"] for stage in document["stages"]] == ["build", "test", "release"]
    assert document["stages"][0]["jobs"][0]["worker"] == "w1"
    listed = cli("list", "--json").document
    assert [each["number"] for each in listed] == [broken, released]
    assert "jobs" not in listed[0]["stages"][0]
    assert [each["number"] for each in cli("list", "--json", "--status", "failed").document] == [broken]
    assert cli("list", "--json", "-r", "thyme", "-b", "other").document == []
    assert len(cli("list", "--json", "-n", "1", "--before", broken).document) == 1


def test_list_is_a_table(cli, released, broken):
    lines = cli("list").out.splitlines()
    assert lines[0].split()[:5] == ["✗", f"#{broken}", "failed", "thyme", "main"]
    assert lines[0].endswith("Fix VAT")
    assert lines[1].split()[:3] == ["✓", f"#{released}", "passed"]


def test_the_default_is_this_repository_and_this_branch(cli, farm, broken, tmp_path):
    cli.git("init", "-q", "-b", "main", "clone")
    clone = tmp_path / "clone"
    cli.git("remote", "add", "origin", "ssh://git@farm.example/srv/git/thyme.git", cwd=clone)
    other = farm.open("-", "b", ref="refs/heads/other")
    assert [each["number"] for each in cli("list", "--json", cwd=clone).document] == [broken]
    assert len(cli("list", "--json", "--all", cwd=clone).document) == 2
    assert f"#{broken} " in cli("show", cwd=clone).out
    assert cli("logs", "test", cwd=clone).out == cli("logs", broken, "test").out
    cli.git("checkout", "-q", "-b", "other", cwd=clone)
    assert f"#{other} " in cli("show", cwd=clone).out
    cli.git("checkout", "-q", "-b", "third", cwd=clone)
    assert "thyme third has no pipeline yet" in cli("show", cwd=clone).err
    assert "no clone of a registered repository" in cli("show").err


def test_logs(cli, broken):
    ran = cli("logs", broken, "test")
    assert (ran.code, ran.out) == (0, "collecting\nE assert 19.01\nlast line\n")
    assert cli("logs", broken, "--failed").out == ran.out
    raw = cli("logs", broken, "test", "--raw").out
    assert "\x1b[31mE assert\x1b[0m 19.01\x1b]0;owned\x07" in raw
    assert "=== build\n=== test\ncollecting" in cli("logs", broken).out
    rows = [json.loads(line) for line in cli("logs", broken, "test", "--json").out.splitlines()]
    assert [(row["step"], row["line"]) for row in rows] == [("test", 1), ("test", 2), ("test", 3)]
    assert rows[2]["text"] == "last line"
    assert rows[2]["time"] > 0
    ran = cli("logs", broken, "deploy")
    assert ran.code == 2
    assert "no stage 'deploy'; it has build, test, release" in ran.err
    assert "'deploy' is no number of a pipeline" in cli("logs", "deploy", "test").err


def _started(cli, arguments):
    """Start the program; return it and what is read of its output as it comes."""
    take, taken = os.pipe()
    process = Program(arguments, cwd=cli.folder, env=cli.env, out=taken)
    os.close(taken)
    return process, os.fdopen(take)


def test_logs_follow_a_running_step_to_its_end(cli, farm):
    number = farm.open()
    farm.pass_step(number, "build")
    claim = farm.claim(number, "test")
    process, out = _started(cli, ("logs", number, "test", "-f"))
    with farm.logs.writer(number, "test", claim.fence) as writer:
        writer.line("first")
        assert out.readline() == "first\n"
        writer.line("second")
        assert out.readline() == "second\n"
    farm.record.commit(claim, Status.PASSED)
    assert out.read() == ""
    assert process.wait(60) == 0
    process.communicate()
    out.close()


@pytest.mark.parametrize(("status", "code"), [(Status.PASSED, 0), (Status.FAILED, 1), (Status.ERRORED, 3)])
def test_watch_ends_as_the_pipeline_does(cli, farm, status, code):
    number = farm.open()
    process, out = _started(cli, ("watch", number))
    assert out.readline().startswith(f"#{number} thyme main")
    assert "build pending" in out.readline()
    if status is Status.PASSED:
        farm.release(number)
    else:
        claim = farm.claim(number, "build")
        _log(farm, number, "build", "no such file\n")
        farm.record.commit(claim, status, reason="the Dockerfile cannot be built")
    rest = out.read()
    assert process.wait(60) == code
    process.communicate()
    out.close()
    assert f"{status} after" in rest
    if code:
        assert "no such file" in rest
        assert f"farm logs {number} build" in rest
    assert cli("watch", number, "--json").code == code


def test_watch_can_be_left(cli, farm):
    number = farm.open()
    process, out = _started(cli, ("watch", number))
    assert "thyme main" in out.readline()
    assert "build pending" in out.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.decode() == f"the pipeline goes on; see it again: farm watch {number}\n"
    out.close()


def test_a_reader_who_goes_away_is_no_error(cli, broken):
    done = subprocess.run(
        f"{FARM} logs {broken} test | head -1; {FARM} list --json | true",
        shell=True,
        env=cli.env,
        cwd=cli.folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("collecting\n", "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_letters_that_a_locale_lacks_are_no_reason_to_break_off(cli, farm, encoding):
    number = farm.open()
    farm.record.describe(number, subject="Schöner runden ✓", author="Ada")
    claim = farm.claim(number, "build")
    _log(farm, number, "build", "größer ✗\n")
    farm.record.commit(claim, Status.FAILED, reason="no")
    for command in (f"show {number}", f"logs {number} build", f"logs {number} build --raw", "list"):
        done = subprocess.run(
            [*shlex.split(f"{FARM} {command}")],
            env=cli.env | {"PYTHONIOENCODING": encoding},
            cwd=cli.folder,
            check=False,
            capture_output=True,
        )
        assert (done.returncode, done.stderr) == (0, b""), command
        assert b"er" in done.stdout, command


def test_cancel(cli, farm, released):
    number = farm.open("a", "b")
    ran = cli("cancel", number)
    assert (ran.code, ran.out) == (0, f"farm: pipeline #{number} is canceled\n")
    assert cli("watch", number).code == 4
    ran = cli("cancel", released)
    assert ran.code == 2
    assert ran.err.startswith("error: ")


def test_what_acts_gives_json_too(cli, farm):
    number = farm.open("a", "b")
    canceled = cli("cancel", number, "--json")
    assert (canceled.code, canceled.document["status"]) == (0, "canceled")
    again = cli("retry", number, "--json")
    assert (again.code, again.document["round"], again.document["status"]) == (0, 2, "pending")
    refused = cli("retry", number, "--json")
    assert (refused.code, refused.out, "is not over yet" in refused.err) == (2, "", True)
    fork = {"ref": "refs/pull/7/head", "source": "webhook", "options": ("farm.fork=bob/thyme",)}
    (pull,) = farm.enter(farm.push("-", "c", **fork))
    approved = cli("approve", pull, "--json")
    assert (approved.code, approved.document["number"]) == (0, pull)
    assert cli("approve", number, "--json").code == 2


def test_errors_are_one_sentence(cli):
    for arguments, words, code in (
        (("show", 99), "#99", 2),
        (("list", "--status", "green"), "status", 2),
        (("nonsense",), "No such command", 2),
    ):
        ran = cli(*arguments)
        assert ran.code == code
        assert words in ran.err
    cli.more = {"FARM_TOKEN": "wrong"}
    assert "FARM_TOKEN" in cli("list").err
    cli.more = {"FARM_URL": "http://127.0.0.1:9"}
    ran = cli("list")
    assert ran.code == 6
    assert "farm up" in ran.err
    assert ran.err.count("\n") == 1


def test_a_home_that_cannot_be_entered_is_said_in_one_sentence(cli):
    taken = cli.folder / "taken"
    taken.touch()
    cli.more = {"FARM_HOME": str(taken)}
    for command in (("up", "--detach"), ("up", "--stop")):
        ran = cli(*command)
        assert (ran.code, ran.err.count("\n")) == (2, 1), ran.err
        assert "not a directory" in ran.err
        assert "set FARM_HOME to a folder of your own" in ran.err


def test_a_terminal_gets_colours_unless_it_wants_none(cli, broken):
    code, drawn = on_terminal(cli, ("show", broken))
    assert code == 0
    assert "\x1b[31m" in drawn
    _, drawn = on_terminal(cli, ("show", broken), more={"NO_COLOR": "1"})
    assert "\x1b" not in drawn
    _, drawn = on_terminal(cli, ("logs", broken, "test"))
    assert "\x1b[31mE assert\x1b[0m 19.01" in drawn
    assert "owned" not in drawn


def test_a_narrow_terminal_gets_narrow_lines(cli, farm, broken):
    farm.record.describe(broken, subject="日本語" * 40, author="Ada")
    for columns in (30, 45, 100):
        _, drawn = on_terminal(cli, ("list",), columns=columns, more={"NO_COLOR": "1"})
        (line,) = drawn.splitlines()
        assert cell_len(line) <= columns


@pytest.mark.usefixtures("released")
def test_forty_columns_are_enough(cli, farm, broken):
    farm.record.describe(broken, subject="Round what is paid in the very end, not before " * 3, author="Ada Lovelace")
    machine = Machine(0.52, 4, 3 << 30, 8 << 30, (Disk("/var/lib/docker", 5 << 30, 20 << 30),))
    why = "has no Docker Engine that answers, see its log"
    farm.record.beat(WorkerInfo("w1@c1", "c1", 4, ("arm64", "gpu"), ("build",), ("#1 build",), machine=machine))
    farm.record.beat(WorkerInfo("worker-of-a-long-name@machine-17.example.org", "c2", 2, (), ("build",), closed=why))
    daily = {"repository": "thyme", "ref": "main", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}
    told = cli.service.settings.model_copy(update={"schedules": {"nightly": ScheduleSettings(**daily)}})
    cli.service.settings = told
    drawn = {}
    for command in ("show 1", f"show {broken}", "workers", "schedules", "releases thyme", "queues", "list"):
        code, drawn[command] = on_terminal(cli, command.split(), columns=40, more={"NO_COLOR": "1"})
        assert code == 0, drawn[command]
        wide = [line for line in drawn[command].splitlines() if cell_len(line) > 40 and "@sha256:" not in line]
        assert wide == [], command
    words = {command: " ".join(text.replace("\\\r\n", " ").split()) for command, text in drawn.items()}
    assert "docker run --rm -P --pull always host:5000/thyme:latest" in words["show 1"]
    assert f" host:5000/thyme@sha256:{1:064} " in words["show 1"]  # whole, to be copied
    assert "✗ tests/test_vat.py::test_rounding assert 19.01 == 19.0 ✗" in words[f"show {broken}"]
    assert why in words["workers"]
    assert "1 of 4 busy #1 build" in words["workers"]
    assert words["schedules"].count(" 02:30 +0") == 3
    assert "latest #1 main #1 released" in words["releases thyme"]


def test_watch_draws_on_a_terminal(cli, broken):
    code, drawn = on_terminal(cli, ("watch", broken), columns=70)
    assert code == 1
    assert "test      failed" in drawn
    assert "last line" in drawn
    assert f"farm logs {broken} test" in drawn


def test_help_starts_quickly(cli):
    probe = "import sys, farm.cli; print([name for name in ('httpx', 'pydantic', 'rich.live') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    for command in ((), ("logs",), ("hook", "install")):
        ran = cli(*command, "--help")
        assert ran.code == 0
        assert "Usage:" in ran.out


def test_shells_complete_commands_and_options(cli):
    for shell, given, answer in (
        ("bash", {"COMP_WORDS": "farm workers dr", "COMP_CWORD": "2"}, "drain"),
        ("bash", {"COMP_WORDS": "farm cancel --j", "COMP_CWORD": "2"}, "--json"),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "farm forg"}, '"forget":"Register a repository no more."'),
        ("fish", {"_TYPER_COMPLETE_ARGS": "farm forg", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}, "forget"),
    ):
        cli.more = {"_FARM_COMPLETE": f"complete_{shell}", **given}
        assert answer in cli().out, shell
