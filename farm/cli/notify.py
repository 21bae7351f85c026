"""`farm notify test`: have each reporter send one message, by the dispatcher, which alone has what it takes."""

import json
from typing import Annotated

import typer

from farm.cli import terminal
from farm.cli.arguments import AsJson, who
from farm.cli.group import below
from farm.client import Client
from farm.errors import Refused
from farm.plain import plain
from farm.settings import Settings

notify_app = below("Try those who hear of pipelines: Slack, e-mail, webhooks.")


@notify_app.callback()
def notify() -> None:
    """Try those who hear of pipelines."""


@notify_app.command("test")
def try_(
    reporter: Annotated[
        str | None, typer.Argument(metavar="[REPORTER]", help="As `farm doctor` names it. Default: each.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send one message by each reporter and show what the other side answered; exits with 1 if one did not take it."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        found = client.try_reporters(who(), reporter)
    if not found:
        raise Refused("nobody hears of pipelines yet; `slack`, `email` and `webhooks` in farm.yml say who shall")
    if as_json:
        typer.echo(json.dumps(found))
    for each in () if as_json else found:
        words = f"{each['name']}: {'sent; the answer: ' if each['ok'] else ''}{plain(each['answer'])}"
        typer.echo(terminal.paint(words, "passed" if each["ok"] else "failed"))
    raise typer.Exit(0 if all(each["ok"] for each in found) else 1)
