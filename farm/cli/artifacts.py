"""`farm artifacts`: the files that a pipeline's jobs have left to be kept, listed or downloaded."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from farm.artifacts import unpack
from farm.cli import terminal
from farm.cli.arguments import AsJson, Number
from farm.cli.here import choose
from farm.client import Client
from farm.durations import duration
from farm.errors import Refused, why
from farm.pipeline import job_name
from farm.plain import plain
from farm.settings import Settings
from farm.sizes import size


def artifacts(
    number: Number = None,
    download: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write them below this folder, one folder for each job.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the files that the jobs of a pipeline have left to be kept, or download them."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        chosen = choose(client, number)
        found = client.artifacts(chosen)
        if download:
            for row in found:
                _download(client, chosen, row, download / job_name(row["step"]))
    if as_json:
        typer.echo(json.dumps(found))
    elif not found:
        typer.echo(f"no artifacts of pipeline #{chosen}: none were kept, or their time is over", err=True)
    for row in () if as_json else found:
        _print(row)


def _download(client: Client, number: int, row: dict[str, Any], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            terminal.bar(f"fetching {row['step']}", row["bytes"]) as told,
            client.artifact_tar(number, row["step"], told) as stream,
        ):
            unpack(stream, folder)
    except OSError as error:
        words = why(error)
        raise Refused(f"{error.filename or folder} cannot be written: {words}; name another folder") from None


def _print(row: dict[str, Any]) -> None:
    left, count = duration(max(row["expires"] - time.time(), 0)), len(row["files"])
    typer.echo(f"{row['step']}: {count} file{'s' * (count != 1)}, {size(row['bytes'])}, kept for {left}")
    for file in row["files"]:
        typer.echo(f"  {file['size']:>12,}  {plain(file['path'])}")
