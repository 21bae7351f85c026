"""`farm up`: everything on this machine. It starts and ends the processes; what they need from the engine is theirs."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from farm.cli import opening, premises
from farm.cli.readiness import missing
from farm.errors import Errored, FarmError, Refused
from farm.holder import end, hold, holder, is_held, leftovers
from farm.home import choose_state, default_home, open_state, read_state
from farm.settings import Settings, config_file
from farm.supervisor import Lines, Supervisor

_READY_WITHIN = 60.0
_STOPPED_WITHIN = 60.0


def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return once everything is ready.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End what `farm up` started.")] = False,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Open the farm to build machines, which reach it by this address.")
    ] = "",
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Leave building to other machines.")] = False,
) -> None:
    """Run Redis, registry, dispatcher, worker and Flower on this machine, each the farm's own, on ports of its own.

    They listen on this machine only, until --listen is given once; the address is kept from then on.
    """
    home = default_home()
    try:
        if stop:
            _stop(home)
        elif detach:
            _detach(home, listen, no_worker=no_worker)
        else:
            _run(home, sys.stdout, listen, no_worker=no_worker)
    except Refused as error:
        typer.echo(f"farm: {error}", err=True)
        raise typer.Exit(2) from None
    except FarmError as error:
        typer.echo(f"farm: {error}", err=True)
        raise typer.Exit(1) from None


def _run(home: Path, output: object, listen: str, *, no_worker: bool) -> None:
    premises.check_member(home)
    state = choose_state(home)
    _wait_out(home)
    with hold(home):
        end(leftovers(home), 5)
        premises.check_address(state.listen or listen)
        state = open_state(home, state, listen)
        environment = premises.environment(home, state)
        premises.check_ports(home, state)
        premises.write_redis(home, state)
        premises.write_invitation(home, state)
        for folder in ("redis", "registry", "logs", "mirrors", "artifacts"):  # also where the home itself is open
            (home / folder).mkdir(exist_ok=True, mode=0o700)
        detached = os.environ.get("FARM_DETACHED") == "1"
        supervisor = Supervisor(Lines(home / "logs", None if detached else output))  # type: ignore[arg-type]
        supervisor.load(_procfile(), environment, home, without=("worker",) if no_worker else ())
        if not detached:
            typer.echo(f"farm: state in {home}, pages at {Settings.load(home).web_url}/pipelines; Ctrl-C ends it")
            _tell(home)
        supervisor.loop()


def _detach(home: Path, listen: str, *, no_worker: bool) -> None:
    since = time.time()
    _wait_out(home)
    known = read_state(home)
    if listen and is_held(home) and (known is None or known.listen != listen):
        raise Refused(f"the farm of {home} runs and does not listen on {listen}; `farm up --stop` it first")
    process = None if is_held(home) else _start(home, listen, no_worker=no_worker)
    late = time.monotonic() + _READY_WITHIN
    while wanting := missing(settings := Settings.load(home), since if process else since - 30, worker=not no_worker):
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
    _tell(home)


def _tell(home: Path) -> None:
    """Say what build machines need, where the farm is open to them."""
    state = read_state(home)
    if state and state.listen:
        typer.echo(opening.words(home, state))


def _wait_out(home: Path) -> None:
    """Wait while processes are still ending whose `farm up` was killed."""
    late = time.monotonic() + _STOPPED_WITHIN
    while is_held(home) and holder(home) is None and time.monotonic() < late:
        time.sleep(0.05)


def _start(home: Path, listen: str, *, no_worker: bool) -> "subprocess.Popen[bytes]":
    premises.check_member(home)
    premises.environment(home, choose_state(home))
    options = [*(("--listen", listen) if listen else ()), *(("--no-worker",) if no_worker else ())]
    (home / "logs").mkdir(exist_ok=True, mode=0o700)
    with (home / "logs" / "up.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-c", "import typer; from farm.cli.up import up; typer.run(up)", *options],
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


def _procfile() -> Path:
    installed = config_file("Procfile")
    return installed if installed.exists() else config_file("farm.yml").parent.parent / "Procfile"


def _tail(path: Path, count: int) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-count:])
    except OSError:
        return ""
