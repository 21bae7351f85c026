"""`farm forget`: ends the registration of a repository. It changes nothing in the repository itself."""

import json
import sys
from typing import Annotated

import typer

from farm.cli.arguments import AsJson, who
from farm.client import Client
from farm.errors import Refused
from farm.settings import Settings


def forget(
    name: Annotated[str, typer.Argument(metavar="REPO", help="Its name on the farm.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where nobody can answer.")] = False,
    as_json: AsJson = False,
) -> None:
    """Register a repository no more: none of its pushes gets a pipeline, its secrets and tokens are gone for good.

    What it released stays as it is, and its pipelines stay for their time. Registered again under the same name, it
    goes on behind them: `latest` never goes back. Refused while one of its pipelines runs. Asks before it does it.
    """
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        if not yes:
            _ask(client, name)
        gone = client.forget(name, who())
    if as_json:
        typer.echo(json.dumps(gone))
        return
    typer.echo(f"farm: {name} is registered no more; what it released stays")
    if gone["tokens"]:
        typer.echo(f"farm: these tokens were for it alone and have ended: {', '.join(gone['tokens'])}")
    if gone["hook"]:
        typer.echo(f"farm: its hook still reports, and is refused; where {gone['url']} is: farm hook remove REPO.git")


def _ask(client: Client, name: str) -> None:
    """Say what cannot be had back and end here unless a person agrees."""
    kept = ", ".join(secret["name"] for secret in client.secrets(name))
    if not sys.stdin.isatty():
        raise Refused(
            f"this ends the secrets and tokens of {name} for good; say that you mean it: farm forget {name} --yes"
        )
    loses = f"its secrets ({kept}) and its tokens" if kept else "its tokens"
    typer.confirm(f"{name} is registered no more then; {loses} are gone for good. Forget it?", abort=True, err=True)
