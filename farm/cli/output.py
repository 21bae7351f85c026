"""`farm logs`: what the steps of a pipeline printed. It shows logs as they are kept, escapes taken out."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

import typer

from farm.cli import terminal, view
from farm.cli.here import choose
from farm.client import Client
from farm.errors import Refused, Unreachable
from farm.settings import Settings

WAIT = 10.0  # seconds for which the dispatcher is asked to hold a question about a running log
PATIENCE = 30.0  # seconds for which a dispatcher that is away is asked again
_LOOK = 1.0


def logs(  # noqa: PLR0917 - the options of a command
    number: Annotated[
        str | None, typer.Argument(metavar="[N]", help="The pipeline. Default: this branch's newest.")
    ] = None,
    stage: Annotated[
        str | None, typer.Argument(metavar="[STAGE]", help="build, test, release, or a job such as test/unit.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the pipeline is at its end.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only what failed or ended errored.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="As the step printed it, escapes and all.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line: step, line, time, text.")] = False,
) -> None:
    """Print the log of a pipeline, or of one of its stages or jobs, from its first line."""
    settings = Settings.load()
    chosen, stage = _asked(number, stage)
    with Client(settings.url, settings.token) as client:
        ask = patiently if follow else _at_once
        document = ask(lambda: client.pipeline(choose(client, chosen)))
        names = steps(document, stage, failed=failed)
        for name in names:
            if as_json:
                _print_json(client, document["number"], name, follow=follow)
                continue
            if len(names) > 1:
                typer.echo(f"=== {name}")
            if raw and not follow:
                _raw(client, document["number"], name)
            else:
                _print(client, document["number"], name, follow=follow, raw=raw)


def _asked(number: str | None, stage: str | None) -> tuple[int | None, str | None]:
    """Tell a number from a stage that stands alone: `farm logs test`."""
    if number is None or number.isdecimal():
        return (int(number) if number else None), stage
    if stage is not None:
        raise Refused(f"{number!r} is no number of a pipeline; write it as in farm logs 218 {stage}")
    return None, number


def steps(document: dict[str, Any], stage: str | None, *, failed: bool) -> list[str]:
    """Return the steps that are asked for, in their order; refuse what the pipeline does not have."""
    jobs = [(row["name"], job) for row in document["stages"] for job in row["jobs"]]
    number = document["number"]
    if not jobs:
        reason = document.get("reason")
        raise Refused(f"pipeline #{number} ran no step" + (f": {reason}" if reason else f"; see farm show {number}"))
    if stage:
        found = [
            job["name"] for name, job in jobs if stage in (name, job["name"], job["name"].removeprefix(f"{name}/"))
        ]
        if not found:
            known = ", ".join(job["name"] for _, job in jobs)
            raise Refused(f"pipeline #{number} has no stage {stage!r}; it has {known}")
        jobs = [(name, job) for name, job in jobs if job["name"] in found]
    if failed:
        jobs = [(name, job) for name, job in jobs if job["status"] in ("failed", "errored")]
        if not jobs:
            raise Refused(f"no step of pipeline #{number} has failed; without --failed all are shown")
    return [job["name"] for _, job in jobs]


def lines(client: Client, number: int, step: str, *, follow: bool) -> Iterator[str]:
    """Give the lines of a log, and a word where some are missing."""
    number_of_next = 1
    for line, _, text in numbered(client, number, step, follow=follow):
        if line > number_of_next:
            yield f"--- {line - number_of_next} lines were left out here ---"
        number_of_next = line + 1
        yield text


def numbered(client: Client, number: int, step: str, *, follow: bool) -> Iterator[tuple[int, float, str]]:
    """Give each line's number, Unix time and text; a running log's until its step is done, if it is to be followed."""
    after = "0"
    while True:
        page = patiently(partial(client.logs, number, step, after=after, wait=WAIT if follow else 0.0))
        for chunk in page["chunks"]:
            for line, text in enumerate(chunk["text"].removesuffix("\n").split("\n"), chunk["line"]):
                yield line, chunk["time"], text
        after = page["cursor"]
        if page["complete"] or not (follow or page["chunks"]):
            return
        if follow and not page["chunks"] and _over(client, number, step):
            follow = False


def tail(client: Client, number: int, step: str, count: int) -> list[str]:
    """Return the last lines of a log."""
    return list(lines(client, number, step, follow=False))[-count:]


def patiently(ask: Callable[[], Any]) -> Any:
    """Return the answer, asking again for a while, with a word about it, where the farm does not answer."""
    end, told = time.monotonic() + PATIENCE, False
    while True:
        try:
            return ask()
        except Unreachable as error:
            if time.monotonic() >= end:
                raise
            if not told:
                typer.echo(f"{error}; trying again for {PATIENCE:.0f} s", err=True)
            told = True
            time.sleep(_LOOK)


def _at_once(ask: Callable[[], Any]) -> Any:
    return ask()


def _print(client: Client, number: int, step: str, *, follow: bool, raw: bool) -> None:
    colour = terminal.has_colour()
    for line in lines(client, number, step, follow=follow):
        sys.stdout.write((line if raw else terminal.shown(line, colour=colour)) + "\n")
        if follow:
            sys.stdout.flush()
    sys.stdout.flush()


def _print_json(client: Client, number: int, step: str, *, follow: bool) -> None:
    for line, moment, text in numbered(client, number, step, follow=follow):
        row = {"step": step, "line": line, "time": moment, "text": text}
        sys.stdout.write(json.dumps(row) + "\n")
        if follow:
            sys.stdout.flush()


def _raw(client: Client, number: int, step: str) -> None:
    for text in client.raw_log(number, step):
        sys.stdout.write(text)
    sys.stdout.flush()


def _over(client: Client, number: int, step: str) -> bool:
    document = patiently(lambda: client.pipeline(number))
    jobs = [job for row in document["stages"] for job in row["jobs"] if job["name"] == step]
    return view.is_final(document) or all(view.is_final(job) for job in jobs)
