"""`farm hook ...`: makes a bare repository report its pushes, and undoes it. The hook itself is deploy/post-receive."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from farm.cli import installing, timer as timers
from farm.cli.arguments import AsJson
from farm.cli.bare import Bare
from farm.cli.group import below
from farm.client import Client
from farm.errors import FarmError, Refused
from farm.settings import Settings

hook_app = below("Install, remove or check the hook of a bare repository.")
_Repository = Annotated[Path, typer.Argument(metavar="[REPO.git]", help="The bare repository. Default: this folder.")]
_THIS = Path()


@hook_app.command()
def install(
    repository: _Repository = _THIS,
    name: Annotated[str | None, typer.Option(help="The name on the farm. Default: the folder's, without .git.")] = None,
    url: Annotated[
        str | None, typer.Option(help="Where workers can clone it. Default: as it was, or its path.")
    ] = None,
    move: Annotated[bool, typer.Option("--move", help="Workers clone it from --url from now on.")] = False,
    timer: Annotated[
        timers.Kind, typer.Option(help="What delivers pushes that were left in the spool.")
    ] = timers.Kind.AUTO,
) -> None:
    """Register the repository with the farm and put the hook in place; safe to repeat.

    The refs that are there now are the baseline: only what is pushed from now on gets a pipeline. A post-receive hook
    that is there already is kept and runs first.
    """
    bare = Bare.find(repository)
    settings = Settings.load()
    known = bare.settings
    installing.prepare(bare)
    reflogs = bare.reflogs()  # before the refs are read: what is pushed meanwhile is then no part of the past
    with Client(settings.url, settings.token) as client:
        urls = {each["name"]: each["url"] for each in client.repositories()}
        before = known["repository"] if known else _registered(urls, url or str(bare.path))
        name = name or before or bare.name
        if before in urls and name != before:
            raise Refused(
                f"{bare.path} is registered as {before}, and under a second name each push would get a second pipeline;"
                " leave --name away"
            )
        place = url or (urls.get(name) if known else None) or str(bare.path)
        answer = client.register(name, place, bare.default_branch, bare.refs(), moved=move)
    kept = installing.install(
        bare,
        {"url": settings.url, "token": answer["token"], "repository": answer["name"]},
        answer["registered"],
        reflogs,
    )
    typer.echo(f"farm: {bare.path} is the repository {answer['name']}; every push to it starts a pipeline")
    if remark := bare.remark():
        typer.echo(f"warning: {remark}")
    if kept:
        typer.echo(f"farm: the hook that was there is kept as {kept} and runs as before")
    if timer is timers.Kind.AUTO and answer.get("delivers"):
        typer.echo("farm: the dispatcher, on the same machine, delivers what a push could not")
    else:
        typer.echo(f"farm: {timers.install(timer, bare, answer['name'])}")


@hook_app.command()
def remove(repository: _Repository = _THIS) -> None:
    """Take the hook away and put back the one that was there before; the repository stays registered with the farm."""
    bare = Bare.find(repository)
    known = bare.settings
    if not known and not bare.installed:
        raise Refused(f"{bare.path} has no hook of the farm; `farm hook install {bare.path}` would put it there")
    if known:
        timers.remove(bare, known["repository"])
    left = len(bare.spooled())
    restored = installing.remove(bare)
    typer.echo(f"farm: {bare.path} reports no pushes any more")
    if known:
        end = f"to end that: farm forget {known['repository']}"
        typer.echo(f"farm: as long as it is registered, the farm finds them later, by asking; {end}")
    if restored:
        typer.echo(f"farm: the hook that was there before is back: {restored}")
    if left:
        pushes = "1 push was never delivered and stays" if left == 1 else f"{left} pushes were never delivered and stay"
        typer.echo(f"warning: {pushes} in {bare.spool}; installing again sends them")


@hook_app.command()
def status(
    repository: _Repository = _THIS,
    as_json: AsJson = False,
) -> None:
    """Say whether pushes to the repository reach the farm, and how to mend it; exits with 1 if they do not."""
    bare = Bare.find(repository)
    mistakes = [*installing.mistakes(bare), *_answer(bare)]
    refused = [_refusal(path) for path in bare.refused()]
    name = bare.settings["repository"] if bare.settings else None
    document = {
        "path": str(bare.path),
        "repository": name,
        "spooled": len(bare.spooled()),
        "refused": refused,
        "mistakes": mistakes,
        "remark": bare.remark(),
    }
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(f"{bare.path}: " + (f"repository {name}" if name else "on no farm"))
        typer.echo(f"  waiting in the spool: {document['spooled']}")
        for sentence in refused:
            typer.echo(f"  refused: {sentence}")
        for sentence in mistakes:
            typer.echo(f"  error: {sentence}")
        if document["remark"]:
            typer.echo(f"  warning: {document['remark']}")
        if not mistakes:
            typer.echo("  ok: pushes reach the farm")
    raise typer.Exit(1 if mistakes else 0)


def _registered(urls: Mapping[str, str], place: str) -> str | None:
    """Return the name under which a place is on the farm, also while it has no hook."""
    return next((name for name, url in urls.items() if url == place), None)


def _answer(bare: Bare) -> list[str]:
    if not bare.settings:
        return []
    try:
        with Client(bare.settings["url"], bare.settings["token"]) as client:
            client.health()
            client.pipelines(repository=bare.settings["repository"], limit=1)
    except FarmError as error:
        return [f"{error}"]
    return []


def _refusal(path: Path) -> str:
    try:
        document = json.loads(path.read_text())
        report = json.loads(document["report"])
        return f"{report['ref']}: {document['refused']} ({path})"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path} cannot be read"
