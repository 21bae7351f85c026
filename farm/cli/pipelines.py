"""`farm list`, `show`, `cancel`, `retry`: how pipelines stand and what a person does to them. They wait for nothing."""

import json
import time
from typing import Annotated, Any

import typer

from farm.cli import terminal, view
from farm.cli.arguments import AsJson, Number, who
from farm.cli.here import Here, choose, here, registered
from farm.client import Client
from farm.durations import duration
from farm.errors import Refused
from farm.pipeline import Status
from farm.plain import plain
from farm.settings import Settings


def list_(  # noqa: PLR0917 - the options of a command
    repository: Annotated[str | None, typer.Option("--repository", "-r", help="Default: this one.")] = None,
    branch: Annotated[str | None, typer.Option("--branch", "-b", help="A branch, or a full ref.")] = None,
    status: Annotated[Status | None, typer.Option(metavar="STATUS", help="passed, failed, running, ...")] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="All repositories and branches.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many.")] = 20,
    before: Annotated[int | None, typer.Option(help="Only those below this number.")] = None,
    as_json: AsJson = False,
) -> None:
    """List pipelines, newest first: in a clone those of its repository and branch, elsewhere all."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        place = Here(repository) if repository or everything else here(client)
        if branch:
            place = Here(place.repository, branch if branch.startswith("refs/") else f"refs/heads/{branch}")
        if place.ref and not place.repository:
            raise Refused("a branch needs its repository here; add --repository NAME")
        found = client.pipelines(repository=place.repository, ref=place.ref, status=status, before=before, limit=limit)
        if repository and not found:
            registered(client, repository)
    if as_json:
        typer.echo(json.dumps(found))
    elif not found:
        typer.echo(
            f"no pipeline of {place.words} yet; all: farm list --all" if place.words else "no pipeline yet", err=True
        )
    else:
        for line, document in zip(view.table(found, time.time(), terminal.width()), found, strict=True):
            typer.echo(terminal.paint(line, document["status"]))


def show(number: Number = None, as_json: AsJson = False) -> None:
    """Show one pipeline: who pushed what, its stages, failing tests, the image, why it waits."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        document = client.pipeline(choose(client, number))
    if as_json:
        typer.echo(json.dumps(document))
    else:
        describe(document, f"{settings.web_url}/pipelines/{document['number']}")


def cancel(number: Annotated[int, typer.Argument(metavar="N", help="The pipeline.")], as_json: AsJson = False) -> None:
    """Cancel a pipeline; too late once it is being released."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        document = client.cancel(number, who())
    _tell(document, f"farm: pipeline #{number} is {document['status']}", as_json=as_json)


def retry(
    number: Annotated[int, typer.Argument(metavar="N", help="The pipeline.")],
    failed: Annotated[bool, typer.Option("--failed", help="Keep what passed, do the rest again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try a finished pipeline again under its number: test and release what it built, or build what it could not."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        document = client.retry(number, who(), failed=failed)
    waiting = [job["name"] for stage in document["stages"] for job in stage["jobs"] if not view.is_final(job)]
    again = " -> ".join(waiting) or "from its definition on"
    _tell(document, f"farm: pipeline #{number} runs again: {again}\n  farm watch {number}", as_json=as_json)


def approve(number: Annotated[int, typer.Argument(metavar="N", help="The pipeline.")], as_json: AsJson = False) -> None:
    """Let the commits of a pull request from a fork run: build and test, without release and protected secrets.

    They are a stranger's code, so read them first. Commits that come later wait for another word.
    """
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        document = client.approve(number, who())
    _tell(document, f"farm: pipeline #{number} runs\n  farm watch {number}", as_json=as_json)


def _tell(document: dict[str, Any], words: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(document) if as_json else words)


def describe(document: dict[str, Any], link: str) -> None:
    """Print how a pipeline stands."""
    now = time.time()
    status = document["status"]
    terminal.say(view.headline(document))
    author, pusher = document.get("author"), document.get("who")
    again = document.get("retried_by")
    named = (("by", author), ("started by" if document.get("by_hand") else "pushed by", pusher), ("retried by", again))
    by = [f"{verb} {name}" if name else "" for verb, name in named]
    age = duration(now - document["created"])
    terminal.say(f"  {', '.join(plain(part) for part in [*by, f'{age} ago'] if part)}")
    if given := document.get("variables"):
        terminal.say(f"  with {', '.join(f'{name}={plain(value)}' for name, value in given.items())}")
    terminal.say(view.summary(document, now), status)
    for line in view.why(document)[1:]:
        terminal.say(f"  {line}", status)
    for each, line in view.jobs(document, now):
        terminal.say(line, each)
    if document.get("waiting"):
        terminal.say(f"  waiting   {plain(document['waiting'])}")
    for line in view.failing(document):
        terminal.say(line, "failed")
    for line in view.outcome(document, link):
        terminal.say(line)
