"""A machine is made ready only where that is allowed; otherwise one sentence says what a person has to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); import engine, machine; from pathlib import Path; {body}"


def run(body: str, path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body), str(DEPLOY)],
        env={"PATH": str(path), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tools(tmp_path):
    """Stands for a PATH: `tools("docker", "exit 1")` puts a program there."""

    def put(name: str, script: str) -> Path:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return tmp_path

    return put


def test_without_apt_it_says_what_is_missing(tmp_path):
    done = run("machine.install({'nothing-such': 'nothing-such-package'})", tmp_path)
    assert (
        "missing: nothing-such; install them (Debian and Ubuntu call the packages nothing-such-package)" in done.stderr
    )


def test_without_root_it_installs_nothing_and_gives_the_line(tools, tmp_path):
    path = tools("apt-get", f"touch {tmp_path}/called")
    done = run("import os; os.geteuid = lambda: 1000; machine.install({'nothing-such': 'some-package'})", path)
    assert "run `sudo apt-get install --no-install-recommends some-package`, then this again" in done.stderr
    assert not (tmp_path / "called").exists()


def test_what_is_there_needs_nothing(tools):
    done = run("machine.install({'here': 'some-package'})", tools("here", ""))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_socket_that_refuses_is_told_from_an_engine_that_is_not_there(tools, tmp_path):
    path = tools("docker", "echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1")
    done = run(f"engine.ensure_engine(Path({str(tmp_path)!r}))", path)
    assert "its socket refuses" in done.stderr
    assert "usermod -aG docker" in done.stderr


def test_an_engine_elsewhere_that_does_not_answer_is_named(tools, tmp_path):
    path = tools("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    done = run(f"engine.ensure_engine(Path({str(tmp_path)!r}))", path, DOCKER_HOST="tcp://192.0.2.1:2375")
    assert "DOCKER_HOST=tcp://192.0.2.1:2375" in done.stderr


def test_an_ordinary_user_is_told_to_start_the_engine(tools, tmp_path):
    path = tools("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    done = run(f"import os; os.geteuid = lambda: 1000; engine.ensure_engine(Path({str(tmp_path)!r}))", path)
    assert "run `sudo systemctl start docker`" in done.stderr


def test_an_engine_that_runs_is_left_alone(tools, tmp_path):
    path = tools("docker", "echo 20.10.24")
    done = run(f"engine.ensure_engine(Path({str(tmp_path / 'state')!r}))", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "state").exists()


def test_quickstart_refuses_what_makes_no_sense():
    done = subprocess.run([str(DEPLOY / "quickstart"), "--purge"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--purge goes with --stop" in done.stderr


def test_stopping_what_never_ran_is_fine(tmp_path):
    done = subprocess.run(
        [str(DEPLOY / "quickstart"), "--stop"],
        env={**os.environ, "FARM_HOME": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "none").exists()
