"""`farm doctor`: looks at everything that the farm needs and says what mends it. It mends nothing itself."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import redis
import typer

from farm.cli import ground, parts, reporters
from farm.cli.arguments import AsJson
from farm.cli.finding import Finding, lines
from farm.errors import Refused
from farm.ledger import Ledger
from farm.record import Record
from farm.settings import Settings, SettingsError


def doctor(
    repositories: Annotated[
        list[Path] | None, typer.Argument(metavar="[REPO.git]...", help="Bare repositories whose hook to check too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check hook, Redis, registry, engine, clock, disk, push options, queues; exits with 1 if something is wrong.

    On a build machine it checks what that needs: Redis, registry, engine, disk, the way to git, its worker.
    """
    settings, wrong = _settings()
    if not settings.farm_id:
        raise Refused("this machine belongs to no farm; run `farm up`, or `farm join` with the file of one")
    readable = all(finding.verdict != "error" for finding in wrong)
    findings = [*wrong, *_examine(settings, repositories or [], readable=readable)]
    if as_json:
        typer.echo(json.dumps([finding.document() for finding in findings], indent=2))
    else:
        typer.echo("\n".join(lines(findings)))
    raise typer.Exit(1 if any(finding.verdict == "error" for finding in findings) else 0)


def _settings() -> tuple[Settings, list[Finding]]:
    """Return the settings; where farm.yml has mistakes, those without it and what is wrong."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        first, more = str(error.mistakes[0]), len(error.mistakes) - 1
        words = f"{first}, and {more} more" if more else first
        return Settings.load(own=False), [Finding.error("settings", words, "farm config check")]
    return settings, list(ground.settings(settings))


def _examine(settings: Settings, named: list[Path], *, readable: bool) -> Iterator[Finding]:
    """Look at everything; what only farm.yml can say is left out where that is not `readable`."""
    head = bool(settings.token)
    client = redis.Redis.from_url(
        settings.redis_url, decode_responses=True, socket_timeout=2.5, socket_connect_timeout=2.5
    )
    with closing(client):
        found = list(parts.store(settings, client))
        yield from found
        alive = any(finding.name == "clock" for finding in found)
        record = Record(client, settings.lease)
        known = Ledger(client, settings.lease).repositories() if alive else []
        yield from parts.registry(settings)
        if head:
            yield from parts.dispatcher(settings)
            yield from parts.flower(settings)
            yield from reporters.reporters(settings, client) if alive else ()
        yield from ground.exposed(settings.home)
        yield from ground.disk("disk", settings.home, settings.disk_min)
        engine = ground.engine(settings)
        yield from parts.elsewhere(record, engine) if head and alive else engine
        if alive:
            yield from parts.sealed(settings, client)
            yield from parts.queues(record) if head else parts.worker(settings, record)
        yield from ground.access(known, settings) if readable else ()
        if head:
            yield from ground.hooks(named, known)
            yield from ground.shared(settings, known)
