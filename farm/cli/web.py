"""`farm web`: the pages without Flower, for those who want to see pipelines and nothing of Celery."""

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from farm.cli.address import address_of
from farm.errors import Refused
from farm.flower.alone import Alone, serve
from farm.home import read_state, state_file
from farm.hosts import here
from farm.settings import Settings

USER = "farm"
VARIABLE = "FARM_WEB_PASSWORD"


def web(
    listen: Annotated[str, typer.Option(help="ADDRESS:PORT to listen on.")] = "127.0.0.1:5556",
    read_only: Annotated[bool, typer.Option("--read-only", help="Show no buttons, and refuse what they would do.")] = (
        False
    ),
) -> None:
    """Serve the pages of pipelines, queues, machines and images, without Flower."""
    settings = Settings.load()
    host, port = address_of(listen)
    users = _users(settings, host)
    try:
        serve(
            Alone(users=users, read_only=read_only),
            host,
            port,
            lambda bound: typer.echo(_welcome(settings, host, bound, users)),
        )
    except OSError as error:
        typer.echo(f"farm: nothing can listen on {listen} ({error.strerror}); give another --listen", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        pass


def _welcome(settings: Settings, host: str, port: int, users: Sequence[str]) -> str:
    """Return where the pages are, and where the password is, but not what it is."""
    address = f"farm: pages at http://{f'[{host}]' if ':' in host else host}:{port}/"
    if not users:
        return address
    password = VARIABLE if os.environ.get(VARIABLE) else f"`web_password` in {state_file(settings.home)}"
    return f"{address} for the user {USER} and the password {password}"


def _users(settings: Settings, host: str) -> Sequence[str]:
    """Return who may come in: everybody from this machine alone, else who has the password of the farm's pages."""
    state = read_state(settings.home)
    password = os.environ.get(VARIABLE) or (state.web_password if state else "")
    if here(host):
        return (f"{USER}:{password}",) if os.environ.get(VARIABLE) else ()
    if not password:
        raise Refused(f"others can reach {host}, so the pages need a password: set {VARIABLE}")
    return (f"{USER}:{password}",)
