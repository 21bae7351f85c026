"""`farm watch`: follows a pipeline to its end, as a live display on a terminal, as plain lines elsewhere."""

import json
import re
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from farm.cli import output, terminal, view
from farm.cli.arguments import Number
from farm.cli.here import choose
from farm.client import Client
from farm.durations import duration
from farm.plain import plain
from farm.settings import Settings

EVERY = 0.5  # seconds between two looks
TICK = 15.0  # seconds between two plain lines when nothing changes
TAIL = 20  # lines of the log that end a failure

INTERRUPTED = 130  # as a shell says of Ctrl-C

Look = Callable[[], dict[str, Any]]


def watch(
    number: Number = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print nothing but the last state as JSON.")] = False,
) -> None:
    """Follow a pipeline to its end.

    A farm that does not answer is asked again for half a minute. Exit codes: 0 passed, 1 failed, 3 errored, 4 canceled,
    5 skipped or superseded, 6 the farm does not answer.
    """
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        chosen = output.patiently(lambda: choose(client, number))

        def look() -> dict[str, Any]:
            return dict(output.patiently(lambda: client.pipeline(chosen)))

        follow = _silently if as_json else _live if terminal.is_terminal() else _plainly
        try:
            document = follow(look(), look)
        except KeyboardInterrupt:
            typer.echo(f"the pipeline goes on; see it again: farm watch {chosen}", err=True)
            raise typer.Exit(INTERRUPTED) from None
        if as_json:
            typer.echo(json.dumps(document))
        else:
            _end(client, document, f"{settings.web_url}/pipelines/{chosen}")
    raise typer.Exit(view.CODES.get(document["status"], 3))


def _silently(document: dict[str, Any], look: Look) -> dict[str, Any]:
    while not view.is_final(document):
        time.sleep(EVERY)
        document = look()
    return document


def _plainly(document: dict[str, Any], look: Look) -> dict[str, Any]:
    """Print a line at each change and now and then."""
    typer.echo(view.headline(document))
    told, spoken = "", time.monotonic()
    while not view.is_final(document):
        now = standing(document)
        shape = re.sub(r"\d+", "", now)  # a count of seconds or of pipelines ahead is no news
        if shape != told or time.monotonic() - spoken >= TICK:
            told, spoken = shape, time.monotonic()
            typer.echo(f"  {duration(time.time() - document['created'])}: {now}")
        time.sleep(EVERY)
        document = look()
    return document


def standing(document: dict[str, Any]) -> str:
    """Return in a line how the stages stand, which job has something to say, and why it waits."""
    stages = ", ".join(f"{stage['name']} {stage['status']}" for stage in document["stages"]) or document["status"]
    notes = [
        ": ".join([*_name(stage, job), words + (", which is allowed" if job.get("allowed") else "")])
        for stage in document["stages"]
        for job in stage["jobs"]
        for words in view.why(job)[:1]
    ]
    parts = [stages, *notes, document.get("waiting") or ""]
    return "; ".join(plain(part) for part in parts if part)


def _name(stage: dict[str, Any], job: dict[str, Any]) -> list[str]:
    """Return how a job is called, where its stage alone does not say it."""
    return [job["name"].removeprefix(f"{stage['name']}/")] if job["name"] != stage["name"] else []


def _live(document: dict[str, Any], look: Look) -> dict[str, Any]:
    """Draw the stages again and again until the end; what is drawn last stays."""
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.live import Live  # noqa: PLC0415

    console = Console(highlight=False)
    with Live(_picture(document), console=console, auto_refresh=False) as live:
        while not view.is_final(document):
            time.sleep(EVERY)
            document = look()
            live.update(_picture(document), refresh=True)
    return document


def _picture(document: dict[str, Any]) -> Any:
    from rich.text import Text  # noqa: PLC0415 - as above

    now = time.time()
    picture = Text(view.headline(document) + "\n", overflow="ellipsis", no_wrap=True)
    for status, line in view.jobs(document, now):
        picture.append(line + "\n", style=terminal.STYLES.get(status, ""))
    if document.get("waiting"):
        picture.append(f"  waiting   {plain(document['waiting'])}\n")
    picture.append(view.summary(document, now), style=terminal.STYLES.get(document["status"], ""))
    return picture


def _end(client: Client, document: dict[str, Any], link: str) -> None:
    """Print what matters now: the failing tests, the end of the log, the link, the next command."""
    if not terminal.is_terminal():
        now = time.time()
        for status, line in view.jobs(document, now):
            terminal.say(line, status)
        terminal.say(view.summary(document, now), document["status"])
    for line in view.why(document)[1:]:
        terminal.say(f"  {line}", document["status"])
    for line in view.failing(document):
        terminal.say(line, "failed")
    for step in view.broken(document)[:1]:
        typer.echo(f"--- the end of the log of {step} ---")
        for line in output.tail(client, document["number"], step, TAIL):
            typer.echo(terminal.shown(line, colour=terminal.has_colour()))
        typer.echo("---")
    for line in view.outcome(document, link):
        terminal.say(line)
