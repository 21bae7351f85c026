"""`farm up`: everything on this machine. It starts and ends the processes; what they need from the engine is theirs."""

import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from farm.cli.readiness import missing
from farm.errors import Errored, FarmError, Refused
from farm.holder import MARK, end, hold, holder, is_held, leftovers
from farm.home import LOCAL, State, choose_state, default_home, is_free, state_file
from farm.settings import Settings, config_file
from farm.supervisor import Lines, Supervisor

_READY_WITHIN = 60.0
_STOPPED_WITHIN = 60.0
_REGISTRY_PROGRAMS = ("docker-registry", "registry")


def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return once everything is ready.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End what `farm up` started.")] = False,
) -> None:
    """Run Redis, registry, dispatcher, worker and Flower on this machine, each the farm's own, on ports of its own."""
    home = default_home()
    try:
        if stop:
            _stop(home)
        elif detach:
            _detach(home)
        else:
            _run(home, sys.stdout)
    except Refused as error:
        typer.echo(f"farm: {error}", err=True)
        raise typer.Exit(2) from None
    except FarmError as error:
        typer.echo(f"farm: {error}", err=True)
        raise typer.Exit(1) from None


def _run(home: Path, output: object) -> None:
    state = choose_state(home)
    _wait_out(home)
    with hold(home):
        end(leftovers(home), 5)
        environment = _environment(home, state)
        _check_ports(home, state)
        _write_redis(home, state)
        for folder in ("redis", "registry", "logs"):
            (home / folder).mkdir(exist_ok=True, mode=0o700)
        detached = os.environ.get("FARM_DETACHED") == "1"
        supervisor = Supervisor(Lines(home / "logs", None if detached else output))  # type: ignore[arg-type]
        supervisor.load(_procfile(), environment, home)
        if not detached:
            typer.echo(f"farm: state in {home}, pages at {Settings.load(home).web_url}/pipelines; Ctrl-C ends it")
        supervisor.loop()


def _detach(home: Path) -> None:
    since = time.time()
    _wait_out(home)
    process = None if is_held(home) else _start(home)
    settings = Settings.load(home)
    late = time.monotonic() + _READY_WITHIN
    while wanting := missing(settings, since if process else since - 30):
        if process and process.poll() is not None:
            words = _tail(home / "logs" / "up.log", 12)
            raise Errored(words.removeprefix("farm: ") or f"it ended with {process.returncode}; see {home}/logs")
        if time.monotonic() > late:
            parts = "; ".join(f"{part}: {reason}" for part, reason in wanting.items())
            first = home / "logs" / f"{next(iter(wanting))}.log"
            raise Errored(
                f"not ready after {_READY_WITHIN:g} s ({parts}); it goes on trying, `farm up --stop` ends it."
                f" The end of {first}:\n{_tail(first, 12)}"
            )
        time.sleep(0.2)
    typer.echo(f"farm: ready after {time.time() - since:.1f} s; pages at {settings.web_url}/pipelines")


def _wait_out(home: Path) -> None:
    """Wait while processes are still ending whose `farm up` was killed."""
    late = time.monotonic() + _STOPPED_WITHIN
    while is_held(home) and holder(home) is None and time.monotonic() < late:
        time.sleep(0.05)


def _start(home: Path) -> "subprocess.Popen[bytes]":
    _environment(home, choose_state(home))
    (home / "logs").mkdir(exist_ok=True, mode=0o700)
    with (home / "logs" / "up.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-c", "import typer; from farm.cli.up import up; typer.run(up)"],
            env={**os.environ, "FARM_HOME": str(home), "FARM_DETACHED": "1"},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _stop(home: Path) -> None:
    number = holder(home)
    if number is None and not is_held(home):
        rest = leftovers(home)
        end(rest, 5)
        typer.echo(f"farm: ended {len(rest)} processes that were left behind" if rest else "farm: nothing runs")
        return
    if number is not None:
        end([number], _STOPPED_WITHIN)
    late = time.monotonic() + _STOPPED_WITHIN
    while is_held(home) and time.monotonic() < late:
        time.sleep(0.05)
    end(leftovers(home), 5)
    typer.echo("farm: stopped")


def _environment(home: Path, state: State) -> dict[str, str]:
    """Return what the Procfile's commands find in their environment; passwords are in files only they read."""
    registry = next((path for name in _REGISTRY_PROGRAMS if (path := shutil.which(name))), None)
    lacking = [
        name
        for name, path in (("redis-server", shutil.which("redis-server")), ("docker-registry", registry))
        if not path
    ]
    if lacking:
        raise Refused(f"{' and '.join(lacking)} not found; install them: apt-get install {' '.join(lacking)}")
    return {
        **{name: value for name, value in os.environ.items() if name != "FARM_DETACHED"},
        MARK: str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "FARM_HOME": str(home),
        "FARM_CONFIG": str(config_file("farm.yml").parent),
        "FARM_WEB_PORT": str(state.web_port),
        "FARM_REGISTRY_PROGRAM": str(registry),
        "REGISTRY_HTTP_ADDR": f"{LOCAL}:{state.registry_port}",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(home / "registry"),
        "REGISTRY_HTTP_SECRET": secrets.token_hex(16),
    }


def _check_ports(home: Path, state: State) -> None:
    for part, port in state.ports.items():
        if not is_free(port):
            raise Refused(
                f"port {port}, kept for the farm's {part} in {state_file(home)}, is taken by another program; end that"
                f" program, or write another port into the file (the registry's is part of every image name)"
            )


def _write_redis(home: Path, state: State) -> None:
    path = home / "redis.conf"
    path.unlink(missing_ok=True)
    lines = [
        f'include "{config_file("redis.conf")}"',
        f"port {state.redis_port}",
        f'dir "{home / "redis"}"',
        f"requirepass {state.redis_password}",
    ]
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")


def _procfile() -> Path:
    installed = config_file("Procfile")
    return installed if installed.exists() else config_file("farm.yml").parent.parent / "Procfile"


def _tail(path: Path, count: int) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-count:])
    except OSError:
        return ""
