"""`farm worker`: one build machine's worker. It becomes Celery's own worker program and imports no stage itself."""

import os
import socket
import sys
from collections.abc import Sequence
from itertools import combinations
from typing import Annotated

import typer

from farm.broker import QUEUES, near
from farm.errors import Refused
from farm.settings import Settings


def worker(
    name: Annotated[str | None, typer.Option(help="Shown to people; `@` and the host are added. Default: w1.")] = None,
    labels: Annotated[
        str | None, typer.Option(help="What jobs may ask for, with commas: gpu,arm64. Four at most.")
    ] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Steps at a time. Default: twice the cores.")] = None,
) -> None:
    """Build, test and release what the farm hands out, until it is told to stop."""
    if name is not None:
        os.environ["FARM_WORKER_NAME"] = name if "@" in name else f"{name}@{socket.gethostname()}"
    if labels is not None:
        os.environ["FARM_LABELS"] = labels
    if slots is not None:
        os.environ["FARM_SLOTS"] = str(slots)
    settings = _settings()
    os.environ["FARM_WORKER_NAME"] = settings.worker_name
    # Told to end, Celery would wait for hour-long tests; so it waits a while (farm.broker) and hands them back then.
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    command = [sys.executable, "-m", *celery(settings)]
    os.execv(command[0], command)  # noqa: S606 - the worker takes this process's place, so that signals reach it


def _settings() -> Settings:
    settings = Settings.load()
    if not settings.farm_id:
        raise Refused(
            "this machine belongs to no farm; run `farm up`, or set FARM_ID, FARM_REDIS_URL and FARM_REGISTRY"
        )
    return settings


def celery(settings: Settings) -> Sequence[str]:
    """Return Celery's command line: one process a slot, and no step taken before a slot is free for it."""
    first, *others = queues(settings.labels)
    return [
        *("celery", "-A", "workers.tasks", "worker"),
        *("--hostname", settings.worker_name),
        *("--queues", ",".join((first, near(settings.worker_name), *others))),
        *("--pool", "prefork", "--concurrency", str(settings.slots), "--prefetch-multiplier", "1", "-O", "fair"),
        *("--task-events", "--without-mingle", "--without-gossip", "--loglevel", "INFO"),
    ]


def queues(labels: Sequence[str]) -> Sequence[str]:
    """Return the queues that a worker serves: the plain ones, and for tests each subset of its labels."""
    ordered = sorted(set(labels))
    subsets = (subset for size in range(1, len(ordered) + 1) for subset in combinations(ordered, size))
    return [*QUEUES, *("+".join(("test", *subset)) for subset in subsets)]
