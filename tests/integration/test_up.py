"""`farm up`: all parts on this machine, ready, stopped, and a clear word when something is in the way."""

import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from farm.cli.worker import celery, queues
from farm.holder import holder, leftovers
from farm.home import choose_state, read_state
from farm.settings import Settings
from tests.programs import Ran, run


def farm(home: Path, *arguments: str) -> Ran:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")}
    return run(arguments, env={**environment, "FARM_HOME": str(home)}, timeout=100)


@pytest.fixture
def home(tmp_path, need, engine):  # noqa: ARG001 - the worker needs an engine
    need("redis-server")
    need("docker-registry", "registry")
    yield tmp_path / "home"
    farm(tmp_path / "home", "up", "--stop")


@pytest.mark.long
@pytest.mark.redis
@pytest.mark.registry
@pytest.mark.engine
def test_it_is_ready_once_killed_parts_come_back_and_stopping_leaves_nothing(home, poll):
    home.mkdir()
    home.chmod(0o755)
    first = farm(home, "up", "--detach")
    assert first.code == 0, first.err
    again = farm(home, "up", "--detach")
    assert again.code == 0, again.err
    assert "runs already" in farm(home, "up").err
    for secret in ("state.json", "redis.conf"):
        assert stat.S_IMODE((home / secret).stat().st_mode) == 0o600
    for kept in ("mirrors", "artifacts", "logs", "redis", "registry"):
        assert stat.S_IMODE((home / kept).stat().st_mode) == 0o700
    state = read_state(home)
    for number in leftovers(home):
        line = Path(f"/proc/{number}/cmdline").read_bytes().decode()
        assert state.redis_password not in line
        assert state.token not in line

    dispatcher = next(
        number for number in leftovers(home) if b"dispatcher" in Path(f"/proc/{number}/cmdline").read_bytes()
    )
    os.kill(dispatcher, signal.SIGKILL)
    poll(lambda: "ended with -9" in (home / "logs" / "dispatcher.log").read_text())
    back = farm(home, "up", "--detach")
    assert back.code == 0, back.err

    os.kill(holder(home), signal.SIGKILL)
    anew = farm(home, "up", "--detach")
    assert anew.code == 0, anew.err

    assert farm(home, "up", "--stop").code == 0
    assert not leftovers(home)
    assert read_state(home) == state


@pytest.mark.redis
@pytest.mark.registry
def test_a_port_that_is_taken_is_named_with_its_file(home):
    state = choose_state(home)
    with socket.create_server(("127.0.0.1", state.registry_port)):
        done = farm(home, "up", "--detach")
    assert done.code == 1
    assert f"port {state.registry_port}, kept for the farm's registry in {home}/state.json" in done.err
    assert holder(home) is None


def test_stop_without_a_farm_says_so(tmp_path):
    done = farm(tmp_path / "home", "up", "--stop")
    assert (done.code, done.out) == (0, "farm: nothing runs\n")


def test_a_number_in_the_file_that_is_another_program_now_is_left_alone(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as bystander:
        (tmp_path / "farm.pid").write_text(f"{bystander.pid} 1\n")
        assert farm(tmp_path, "up", "--stop").code == 0
        assert bystander.poll() is None
        bystander.kill()


def test_a_worker_serves_the_subsets_of_its_labels():
    assert queues(()) == ["release", "test", "build"]
    assert queues(("gpu", "arm64"))[3:] == ["test+arm64", "test+gpu", "test+arm64+gpu"]


def test_the_worker_takes_no_step_before_a_slot_is_free(tmp_path):
    settings = Settings(home=tmp_path, worker_name="w2@c3", slots=3)
    line = " ".join(celery(settings))
    assert "--hostname w2@c3" in line
    assert "--concurrency 3 --prefetch-multiplier 1 -O fair" in line


def test_a_worker_without_a_farm_says_what_to_do(tmp_path):
    done = farm(tmp_path, "worker")
    assert done.code == 2
    assert "run `farm up`, or set FARM_ID" in done.err
