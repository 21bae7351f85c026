"""`farm secret`: the secrets of a repository, set from standard input, and the keys that seal them."""

import getpass
import json
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Annotated

import redis
import typer

from farm import secrets
from farm.cli.arguments import AsJson, who
from farm.cli.group import below
from farm.cli.here import here
from farm.cli.premises import write_invitation
from farm.cli.workers import columns
from farm.client import Client
from farm.durations import duration
from farm.errors import Refused, Unreachable
from farm.home import keep_keys, new_key, read_state
from farm.membership import invitation_file
from farm.plain import plain
from farm.record import Record
from farm.settings import Settings

secret_app = below("Set, list and remove the secrets of a repository; `rotate` changes the key that seals them.")
Repository = Annotated[str, typer.Argument(metavar="REPO", help="The repository.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A variable's name, such as API_TOKEN.")]


@secret_app.command("set")
def set_(
    repository: Repository,
    name: Name,
    unprotected: Annotated[
        bool, typer.Option("--unprotected", help="Give it to every ref, not to protected ones alone.")
    ] = False,
) -> None:
    """Set a secret to what standard input holds; a single line counts without its end."""
    value = secrets.text(_input(name))
    secrets.check(name, value)
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        client.set_secret(repository, name, value, who(), unprotected=unprotected)
    typer.echo(f"farm: {name} of {repository} is set, for {'every ref' if unprotected else 'protected refs'}")


@secret_app.command("list")
def list_(
    repository: Annotated[str | None, typer.Argument(metavar="[REPO]", help="Default: this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the names of a repository's secrets: for which refs, set by whom and when. Values are never shown."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        name = repository or here(client).repository
        if name is None:
            raise Refused("this folder is no clone of a registered repository; name one: farm secret list REPO")
        found = client.secrets(name)
    if as_json:
        typer.echo(json.dumps(found))
    elif not found:
        typer.echo(f"{name} has no secrets; `farm secret set {name} NAME` sets one", err=True)
    else:
        rows = [
            (
                each["name"],
                "every ref" if each["unprotected"] else "protected refs",
                f"set {duration(time.time() - each['changed'])} ago by {plain(each['who'])}",
            )
            for each in found
        ]
        for line in columns(rows):
            typer.echo(line)


@secret_app.command()
def remove(repository: Repository, name: Name) -> None:
    """Forget a secret. A push whose definition still names it fails with a word."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        client.remove_secret(repository, name, who())
    typer.echo(f"farm: {name} of {repository} is gone")


@secret_app.command()
def rotate(
    finish: Annotated[
        bool, typer.Option("--finish", help="Build machines have joined again: seal all anew, forget older keys.")
    ] = False,
) -> None:
    """Seal all secrets with a new key, on the farm's own machine. Where other machines build, that takes two steps."""
    settings = Settings.load()
    client = redis.Redis.from_url(settings.redis_url, decode_responses=True, socket_timeout=10)
    with closing(client):
        try:
            others = _others(client)
            keys = settings.secret_keys if finish else _begin(settings)
            if others and not finish:
                typer.echo(f"farm: a new key seals what is set from now on. Let these join again: {', '.join(others)}")
                typer.echo(f"  ssh MACHINE farm join - < {invitation_file(settings.home)}")
                typer.echo("farm: when they have, `farm secret rotate --finish` seals the rest and ends the old key")
                return
            _finish(settings, client, keys)
        except redis.RedisError as error:
            raise Unreachable(f"Redis does not answer ({error}); start the farm by `farm up`, then go on") from None


def _begin(settings: Settings) -> Sequence[str]:
    """Put a new key before the others, for this machine and for those that join."""
    state = read_state(settings.home)
    if state is None:
        raise Refused(
            "the keys of this farm come from FARM_SECRET_KEYS; put a new one (openssl rand -hex 32) and a comma before"
            " those there, on every machine, start all anew, then: farm secret rotate --finish"
        )
    if len(settings.secret_keys) > 1:
        raise Refused(
            "a new key is there already; once each build machine has joined again: farm secret rotate --finish"
        )
    keys = (new_key(), *settings.secret_keys)
    write_invitation(settings.home, keep_keys(settings.home, state, keys))
    return keys


def _finish(settings: Settings, client: redis.Redis, keys: Sequence[str]) -> None:
    """Seal everything with the first key, and only then forget the others."""
    if not keys:
        raise Refused(
            "the farm has no key for secrets; `farm up --stop` and `farm up` choose one, or set FARM_SECRET_KEYS"
        )
    count = secrets.Secrets(client, keys).reseal()
    if state := read_state(settings.home):
        write_invitation(settings.home, keep_keys(settings.home, state, keys[:1]))
    typer.echo(f"farm: {count} secret{'' if count == 1 else 's'} sealed with the new key; no older one opens any")


def _others(client: redis.Redis) -> Sequence[str]:
    hosts = {worker.host for worker in Record(client).workers()}
    return sorted(hosts - {socket.gethostname()})


def _input(name: str) -> bytes:
    if sys.stdin.isatty():
        return getpass.getpass(f"{name} (not shown): ").encode()
    return sys.stdin.buffer.read(secrets.LONGEST + 3)
