"""The supervisor keeps processes alive, writes their lines down and ends them in order, also when it is killed."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from farm.holder import MARK, end, is_held, leftovers

PROGRAM = """
import sys
from pathlib import Path
from farm.holder import hold
from farm.supervisor import Lines, Supervisor
import os
home = Path(sys.argv[1])
with hold(home):
    supervisor = Supervisor(Lines(home, sys.stdout))
    supervisor.load(home / "Procfile", os.environ, home)
    supervisor.loop()
"""


class Farm:
    def __init__(self, home: Path, procfile: str) -> None:
        (home / "Procfile").write_text(procfile)
        self.home = home
        self.output = (home / "output").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(home)], env={**os.environ, MARK: str(home)}, stdout=self.output
        )

    def text(self, name: str) -> str:
        path = self.home / name
        return path.read_text() if path.exists() else ""


@pytest.fixture
def start(tmp_path):
    farms = []

    def _start(procfile: str) -> Farm:
        farms.append(Farm(tmp_path, procfile))
        return farms[-1]

    yield _start
    for farm in farms:
        farm.process.kill()
        farm.process.wait()
        farm.output.close()
    end(leftovers(tmp_path), 30)


def test_a_process_that_ends_is_started_again_and_no_other_is(start, poll):
    farm = start("short: echo born; exit 3\nlong: echo steady; exec sleep 600\n")
    poll(lambda: farm.text("short.log").count("born") >= 2)
    poll(lambda: "steady" in farm.text("long.log"))
    assert "ended with 3; starting it again in 0.5 s" in farm.text("short.log")
    assert farm.text("long.log").count("steady") == 1


def test_a_killed_process_takes_its_children_with_it(start, poll):
    farm = start("tree: sleep 600 & echo $$ >>pids; wait\n")
    first = int(poll(lambda: farm.text("pids").split())[0])
    os.kill(first, signal.SIGKILL)
    poll(lambda: len(farm.text("pids").split()) == 2)
    poll(lambda: subprocess.run(["pgrep", "-g", str(first)], stdout=subprocess.DEVNULL, check=False).returncode == 1)


def test_what_others_need_ends_last(start, poll):
    farm = start(
        "redis: trap 'echo redis >>order; exit' TERM; echo up; while :; do sleep 0.05; done\n"
        "worker: trap 'sleep 0.5; echo worker >>order; exit' TERM; echo up; while :; do sleep 0.05; done\n"
    )
    poll(lambda: "up" in farm.text("redis.log") and "up" in farm.text("worker.log"))
    farm.process.terminate()
    farm.process.wait(60)
    assert farm.text("order").split() == ["worker", "redis"]
    assert not is_held(farm.home)
    assert not leftovers(farm.home)


def test_lines_have_a_prefix_and_a_file_of_their_own(start, poll):
    farm = start("one: echo hello; exec sleep 600\n")
    poll(lambda: "hello" in farm.text("output"))
    assert re.search(r"^\d\d:\d\d:\d\d one +\| hello$", farm.text("output"), re.MULTILINE)
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d hello$", farm.text("one.log"), re.MULTILINE)


def test_nothing_outlives_a_supervisor_that_was_killed(start, poll):
    farm = start("long: echo up; exec sleep 600\n")
    poll(lambda: "up" in farm.text("long.log"))
    assert is_held(farm.home)
    farm.process.kill()
    farm.process.wait()
    poll(lambda: not is_held(farm.home) and not leftovers(farm.home))
