"""`farm join`: makes this machine a build machine of a farm. It starts nothing and changes nothing on the farm."""

import os
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import redis
import typer

from farm.errors import Refused, Unreachable
from farm.home import LOCAL, default_home, state_file
from farm.membership import ITS_OWN, membership_file, parse, read_membership, write
from farm.registry import probe
from farm.settings import Settings


def join(
    file: Annotated[str, typer.Argument(metavar="FILE", help="join.env of the farm; `-` reads it from the input.")],
    name: Annotated[str | None, typer.Option(help="Shown to people; `@` and the host are added. Default: w1.")] = None,
    labels: Annotated[str | None, typer.Option(help="What jobs may ask for, with commas: gpu,arm64.")] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Steps at a time. Default: twice the cores.")] = None,
) -> None:
    """Belong to the farm that wrote FILE, from now on; `farm worker` then needs nothing else."""
    home = default_home()
    if state_file(home).exists():
        raise Refused(
            f"this machine is a farm itself ({state_file(home)}); set FARM_HOME to another folder to join one"
        )
    variables = _read(file)
    known = read_membership(home)
    if known.get("FARM_ID") == variables["FARM_ID"]:  # it joins again, for a new password or key
        variables |= {key: known[key] for key in ITS_OWN if key in known}
    if name is not None:
        variables["FARM_WORKER_NAME"] = name if "@" in name else f"{name}@{socket.gethostname()}"
    if labels is not None:
        variables["FARM_LABELS"] = labels
    if slots is not None:
        variables["FARM_SLOTS"] = str(slots)
    os.environ.update({key: variables[key] for key in ITS_OWN if key in variables})
    Settings.load(home)  # refuses what no worker can have, here and not at its start
    _check(variables)
    path = membership_file(home)
    write(path, variables, "The farm that this machine builds for, by `farm join`. Keep it secret.")
    typer.echo(f"farm: this machine builds for the farm {variables['FARM_ID']}; its membership is in {path}")
    if words := _registry(variables):
        typer.echo(f"warning: {words}")
    typer.echo("farm: `farm doctor` checks the rest; `farm worker` runs the worker, or its systemd unit does")


def _read(file: str) -> dict[str, str]:
    try:
        return dict(parse(sys.stdin.read() if file == "-" else Path(file).read_text(), file))
    except OSError as error:
        raise Refused(f"{file}: {error.strerror}; copy join.env of the farm's FARM_HOME to this machine") from None


def _check(variables: dict[str, str]) -> None:
    """Refuse a file whose Redis cannot be used: everything else could be mended later."""
    url = variables["FARM_REDIS_URL"]
    place = urlsplit(url)
    try:
        client = redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)
        with closing(client):
            client.ping()
    except redis.AuthenticationError:
        raise Refused(f"Redis at {place.hostname}:{place.port} refuses the password; copy join.env once more") from None
    except (redis.RedisError, ValueError) as error:
        where = f"Redis at {place.hostname}:{place.port}"
        if place.hostname == LOCAL:
            ports = (place.port, variables["FARM_REGISTRY"].rpartition(":")[2])
            tunnel = " ".join(f"-L {port}:{LOCAL}:{port}" for port in ports)
            raise Unreachable(
                f"{where} does not answer: the farm is open to its own machine only. Reach it by a tunnel that stays"
                f" (ssh -N {tunnel} FARM), or open it there (farm up --listen ADDRESS) and copy join.env once more"
            ) from None
        raise Unreachable(
            f"{where} does not answer ({error}); open that port to this machine, and see that the farm runs"
        ) from None


def _registry(variables: dict[str, str]) -> str | None:
    registry = variables["FARM_REGISTRY"]
    try:
        probe(registry, plain=variables.get("FARM_REGISTRY_PLAIN") == "true")
    except httpx.HTTPError as error:
        return f"the registry {registry} does not answer ({error}); open that port to this machine"
    return None
