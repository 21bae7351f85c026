"""`farm trigger`: asks for a pipeline of a branch or tag without a push. It waits for no end."""

import json
import uuid
from typing import Annotated

import typer

from farm.cli.arguments import AsJson, who
from farm.client import Client
from farm.errors import Refused
from farm.settings import Settings

WAIT = 10.0  # seconds for which the answer may wait for what becomes of it


def trigger(
    repository: Annotated[str, typer.Argument(metavar="REPO", help="Its name on the farm.")],
    ref: Annotated[str, typer.Argument(metavar="[REF]", help="A branch or tag. Default: the default branch.")] = "",
    variable: Annotated[
        list[str] | None, typer.Option("-v", "--var", metavar="NAME=VALUE", help="A variable for its jobs.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start a pipeline by hand, for the commit at which a branch or tag is now; `farm watch N` follows it.

    It runs also where the commit's message or the definition's `on` would have a push skipped. Exits with 1 when the
    definition has mistakes, with 3 when the repository could not be used.
    """
    given = dict(_pair(text) for text in variable or ())
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        answer = client.trigger(repository, ref, who(), variables=given, identity=str(uuid.uuid4()), wait=WAIT)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        for line in answer["lines"]:
            typer.echo(line.removeprefix("success: "))
    status = answer["pipelines"][0]["status"]
    raise typer.Exit({"failed": 1, "errored": 3}.get(status, 0))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Refused(f"{text!r} is no variable; write it as in -v LOAD=long")
    return name, value
