"""`farm releases`, `farm rollback`, `farm gc`: what tags are and were, and what becomes of images."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from farm.cli import terminal, view
from farm.cli.arguments import AsJson, who
from farm.cli.here import here, registered
from farm.client import Client
from farm.durations import duration
from farm.errors import Refused
from farm.plain import plain
from farm.settings import Settings

PATIENCE = 6.0  # seconds in which the registry has to follow a rollback
_LOOK = 0.2
_WIDE = 80  # columns from which on digests are shown
SHOWN = 5  # entries of a history, unless all are asked for

Document = Mapping[str, Any]


def releases(
    repository: Annotated[str | None, typer.Argument(metavar="[REPO]", help="Default: this one, else all.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only this tag.")] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="All repositories, and all of each history.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show each tag: which pipeline it is now and which it was, since when, by whom."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        if not repository and not everything:
            repository = here(client).repository
        found = client.releases(repository=repository, tag=tag)
        if repository and not found:
            registered(client, repository)
    if as_json:
        typer.echo(json.dumps(found))
    elif not found:
        typer.echo(f"nothing of {repository} was released yet" if repository else "nothing was released yet", err=True)
    else:
        wide = terminal.width() >= _WIDE
        for line in lines(found, time.time(), most=None if everything else SHOWN, digests=wide):
            terminal.say(line)


def rollback(
    repository: Annotated[str, typer.Argument(metavar="REPO", help="The repository, or the image by its name.")],
    number: Annotated[
        int | None, typer.Argument(metavar="[N]", help="The pipeline to go to. Default: what the tag was before.")
    ] = None,
    tag: Annotated[str, typer.Option("--tag", help="The tag to move.")] = "latest",
    as_json: AsJson = False,
) -> None:
    """Point a tag back to what an older pipeline released; only a push that is newer than all moves it from there."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        now = client.rollback(repository, who(), tag=tag, number=number)
        name = f"{now['image']}:{tag}"
        deadline = time.monotonic() + PATIENCE
        while not now["confirmed"] and time.monotonic() < deadline:
            time.sleep(_LOOK)
            now = next(iter(client.releases(repository=now["image"], tag=tag)), now)
    if as_json:
        typer.echo(json.dumps(now))
    if not now["confirmed"]:
        raise Refused(f"{name} shall be #{now['number']}, but the registry has not followed; see the dispatcher's log")
    if not as_json:
        typer.echo(f"farm: {name} is #{now['number']} {now['digest']}\n  a push after #{now['newest']} moves it again")


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove from the registry the images that no tag, no running pipeline and no retry needs, as a timer does."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        gone = client.collect(who(), dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(gone))
        return
    for each in gone:
        tags = f"  {' '.join(each['tags'])}" if each["tags"] else ""
        typer.echo(f"{each['repository']}@{each['digest'][:19]}  #{each['number']}{tags}")
    count = f"{len(gone)} image{'' if len(gone) == 1 else 's'}"
    typer.echo(f"farm: {count} would go" if dry_run else f"farm: {count} removed; docs/releases.md frees the disk")


def lines(tags: Sequence[Document], now: float, *, most: int | None, digests: bool) -> Iterator[str]:
    """Give a line for what each tag is, and below it lines for what it was."""
    for each in tags:
        state = "" if each["confirmed"] else "  (the registry has not followed yet)"
        moved = f"  rolled back, newest #{each['newest']}" if each["number"] != each["newest"] else ""
        now_at = f"#{each['number']}{_digest(each) if digests else ''}"
        yield f"{each['image']}:{each['tag']}  {now_at}  {view.branch(each)}{moved}{state}"
        history = each["history"]
        for entry in history[:most]:
            age = duration(now - entry["time"])
            verb = "rolled back" if entry["kind"] == "rollback" else "released"
            digest = _digest(entry)[1:] if digests else ""
            yield f"  #{entry['number']:<6}{digest}  {verb} {age} ago by {plain(entry['who']) or '?'}"
        if most is not None and len(history) > most:
            yield f"  and {len(history) - most} more: farm releases --all"


def _digest(row: Document) -> str:
    return f"  {row['digest'][:19]}"
