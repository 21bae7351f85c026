"""`farm register`: takes in a repository that is elsewhere and has no hook. It changes nothing there."""

from typing import Annotated

import typer

from farm.client import Client
from farm.settings import Settings


def register(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name on the farm.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="Where dispatcher and workers can clone it.")],
    default_branch: Annotated[str, typer.Option(help="The branch that releases.")] = "main",
    move: Annotated[bool, typer.Option("--move", help="It is cloned from this URL from now on.")] = False,
) -> None:
    """Register a repository whose pushes the farm hears of by webhooks, or by asking it.

    The branches and tags that are there now are the baseline: only what is pushed from now on gets a pipeline. Where it
    is on a forge, and what opens it, is said in farm.yml.
    """
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        answer = client.register(name, url, default_branch, None, moved=move, hook=False)
    typer.echo(f"farm: {answer['name']} is registered; what is pushed from now on gets a pipeline")
    forge = settings.repository(name).forge
    hears = f"{settings.url}/webhooks/{forge.kind} takes its webhooks" if forge else "farm.yml names no `forge` of it"
    typer.echo(
        f"farm: {hears}; it is asked for pushes every {settings.poll:g} s" if settings.poll else f"farm: {hears}"
    )
