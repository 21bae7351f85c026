"""`farm workers`, `farm workers drain`, `farm queues`: who works, who shall not, and what waits for whom."""

import json
import time
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.cells import cell_len

from farm.cli import terminal, view
from farm.cli.arguments import AsJson, who
from farm.cli.group import below
from farm.client import Client
from farm.durations import duration
from farm.plain import plain
from farm.settings import Settings
from farm.sizes import size

_KEPT = ((0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 5), (0, 1, 2, 5), (0, 1, 5))  # columns, from wide to narrow

workers_app = below("List the workers; `drain` keeps one from taking more work.", alone=True)


@workers_app.callback(invoke_without_command=True)
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the workers: what each is at, and why it takes no work."""
    if context.invoked_subcommand is not None:
        return
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        found = client.workers()
    if as_json:
        typer.echo(json.dumps(found))
    elif not found:
        typer.echo("no worker was heard of lately; start one with `farm worker`", err=True)
    else:
        for line, worker in zip(table(found, terminal.width()), found, strict=True):
            terminal.say(line, "canceled" if worker["closed"] else "")


@workers_app.command()
def drain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The worker, or a host for all workers there.")],
    undo: Annotated[bool, typer.Option("--undo", help="Let it take work again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a worker finish what it has and take nothing more, also after its next start, until `--undo`."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        found = client.drain(name, who(), undo=undo)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for worker in found:
        busy = f"; it still finishes {', '.join(worker['busy'])}" if worker["busy"] and not undo else ""
        standing = f"{worker['name']} {worker['closed'] or 'takes work'}"
        typer.echo(f"farm: {plain(standing)}{busy}")


def queues(as_json: AsJson = False) -> None:
    """List the queues: how many steps wait and for how long, how many run, and who takes them."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        found = client.queues()
    if as_json:
        typer.echo(json.dumps(found))
    elif not found:
        typer.echo("no queue yet: nothing was pushed and no worker has started", err=True)
    else:
        rows = [
            (
                queue["name"],
                f"{queue['depth']} waiting" + (f" for {duration(queue['oldest'])}" if queue["oldest"] else ""),
                f"{queue['running']} running",
                ", ".join(queue["consumers"]) or queue["why"],
            )
            for queue in found
        ]
        for line, queue in zip(columns(rows), found, strict=True):
            unserved = not queue["consumers"] and (queue["depth"] or "+" not in queue["name"])
            terminal.say(line, "failed" if unserved else "")


def table(workers: Sequence[view.Document], width: int) -> Sequence[str]:
    """Return a line for each worker; where they are wider than `width`, without what one needs least."""
    now = time.time()
    rows = [
        (
            worker["name"],
            f"{len(worker['busy'])} of {worker['slots']} busy",
            ",".join(worker["labels"]) or "-",
            _left(worker.get("machine")),
            f"heard {duration(now - worker['seen'])} ago",
            "; ".join(filter(None, (worker["closed"] or "", ", ".join(worker["busy"])))),
        )
        for worker in workers
    ]
    for kept in _KEPT:
        lines = columns([[row[place] for place in kept] for row in rows])
        if max(map(cell_len, lines)) <= width:
            break
    return lines


def _left(machine: view.Document | None) -> str:
    if not machine:
        return "-"
    least = min(machine["disks"], key=lambda disk: disk["free"], default=None)
    room = f", {size(least['free'])} free" if least else ""
    return f"load {machine['load']:.1f} of {machine['cores']}{room}"


def columns(rows: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return the rows as lines, all columns but the last as wide as their widest cell."""
    sizes = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    return [
        plain("  ".join([*(cell.ljust(size) for cell, size in zip(row, sizes, strict=False)), row[-1]])).rstrip()
        for row in rows
    ]
