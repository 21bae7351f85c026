"""`farm sync`: has the dispatcher look now for pushes that nobody reported. It finds nothing itself."""

import json
from typing import Annotated, Any

import typer

from farm.cli.arguments import AsJson
from farm.client import Client
from farm.plain import plain
from farm.refs import short
from farm.settings import Settings

_SOURCES = {
    "hook": "left in the spool",
    "reflog": "in git's reflog only",
    "ls-remote": "found by asking the repository",
}


def sync(
    repository: Annotated[str | None, typer.Argument(metavar="[REPO]", help="Its name. Default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare repositories with the ledger now and start the pipelines of pushes that nobody reported.

    The farm does the same by itself: it delivers what was left in a spool, reads git's reflogs, and asks repositories
    now and then. Exits with 1 when a repository could not be looked at.
    """
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        names = [repository] if repository else [str(row["name"]) for row in client.repositories()]
        documents = [client.sync(name) for name in names]
    if as_json:
        typer.echo(json.dumps(documents))
    else:
        for document in documents:
            for line in _lines(document):
                typer.echo(line)
        if not documents:
            typer.echo("no repository is registered; `farm hook install REPO.git` registers one", err=True)
    raise typer.Exit(1 if any(document["problems"] for document in documents) else 0)


def _lines(document: dict[str, Any]) -> list[str]:
    name, found = document["repository"], document["found"]
    count = f"{len(found)} {'push' if len(found) == 1 else 'pushes'} that the farm did not know"
    lines = [f"{name}: {count if found else 'nothing new'}"]
    for push in found:
        ref = short(push["ref"])
        what = _move(push["old"], push["new"])
        lines.append(f"  #{push['number']} {plain(ref)} {what}, {_SOURCES.get(push['source'], push['source'])}")
    if not document["spool"]:
        lines.append("  its spool and reflogs are elsewhere, or it has no hook; there: farm hook status REPO.git")
    return [*lines, *(f"  error: {plain(problem)}" for problem in document["problems"])]


def _move(old: str, new: str) -> str:
    if set(new) == {"0"}:
        return "deleted"
    return f"created at {new[:7]}" if set(old) == {"0"} else f"{old[:7]} -> {new[:7]}"
