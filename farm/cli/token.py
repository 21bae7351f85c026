"""`farm token ...`: tokens for programs and people who are to ask the farm for some things and not for all."""

import json
import re
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from farm.cli.arguments import AsJson, who
from farm.cli.group import below
from farm.cli.workers import columns
from farm.client import Client
from farm.durations import duration
from farm.errors import Refused
from farm.settings import Settings

_UNITS = {"h": 3600, "d": 86400}

token_app = below("Make, list or end tokens with scopes for the API.")
_Name = Annotated[str, typer.Argument(metavar="NAME", help="What it does is recorded under this name.")]


@token_app.command()
def create(
    name: _Name,
    scope: Annotated[list[str], typer.Option(help="push, read or act; may be repeated.")],
    repository: Annotated[str | None, typer.Option(help="Good for this one alone. Default: all.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="30d", help="Good for so long. Default: for ever.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it; the farm keeps only a hash and cannot show it again."""
    settings = Settings.load()
    lasts = None if expires is None else seconds(expires)
    with Client(settings.url, settings.token) as client:
        made = client.create_token(name, scope, who(), repository=repository, lasts=lasts)
    if as_json:
        typer.echo(json.dumps(made))
        return
    typer.echo(made["token"])
    typer.echo(f"farm: {name} may {_may(made)}; keep the token now, it is shown this once", err=True)


@token_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the tokens: what each is good for, and until when."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        found = client.tokens()
    if as_json:
        typer.echo(json.dumps(found))
    elif not found:
        typer.echo("no token was made yet; make one with `farm token create NAME --scope read`", err=True)
    else:
        for line in columns([(each["name"], _may(each), _until(each), f"given by {each['who']}") for each in found]):
            typer.echo(line)


@token_app.command()
def remove(name: _Name) -> None:
    """End a token at once."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        client.remove_token(name)
    typer.echo(f"farm: the token {name} is worth nothing any more")


def seconds(text: str) -> float:
    """Return how long 12h or 30d are."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})([hd])", text)
    if not match:
        raise Refused(f"{text!r} is no length of time for a token; write 12h or 30d")
    return float(match[1]) * _UNITS[match[2]]


def _may(token: Mapping[str, Any]) -> str:
    return " ".join(token["scopes"]) + (f" in {token['repository']}" if token["repository"] else "")


def _until(token: Mapping[str, Any]) -> str:
    if token["expires"] is None:
        return "for ever"
    left = token["expires"] - time.time()
    return f"for {duration(left)} more" if left > 0 else f"ended {duration(-left)} ago"
