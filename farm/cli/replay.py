"""`farm replay`: what failed in a pipeline, again on this machine: in the very image that the farm built and tested.

The image comes from the farm's registry, services and variables from the pipeline's own definition.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from farm.cli import view
from farm.cli.arguments import who
from farm.cli.clone import clone
from farm.cli.given import given
from farm.cli.local import local
from farm.client import Client
from farm.decision import image_name
from farm.definition import Definition
from farm.errors import Refused
from farm.pipeline import job_name
from farm.settings import Settings
from farm.trial import Trial


def replay(
    number: Annotated[int, typer.Argument(metavar="N", help="The pipeline.")],
    job: Annotated[
        str | None, typer.Argument(metavar="[JOB]", help="A job of its test stage. Default: each that failed.")
    ] = None,
    *,
    shell: Annotated[
        bool, typer.Option("--shell", help="Where a job fails, open a shell beside its services.")
    ] = False,
    secret: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="A secret's value; without it the environment's.")
    ] = None,
) -> None:
    """Run the failed jobs of a pipeline again on this machine, in its very image. The farm hears nothing of it.

    Exit codes: 0 passed, 1 failed, 2 refused, 3 the engine or the registry is at fault, 130 interrupted.
    """
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        document = client.pipeline(number)
        steps = chosen(document, job)
        found = client.definition(number)
    definition = Definition.model_validate_json(json.dumps(found["definition"]))
    for step in steps:
        if (name := job_name(step)) not in definition.jobs:
            raise Refused(f"the job {name} was not for the push of pipeline #{number}, so there is nothing to replay")
    typer.echo(f"farm: replay of {view.headline(document)}")
    trial = Trial(
        repository=document["repository"],
        url=found["url"],
        folder=_folder(),
        commit=document["commit"],
        ref=document["ref"],
        subject=document["subject"],
        who=who(),
        number=number,
        definition=definition,
        image_repository=definition.image or image_name(document["repository"]),
        image=document["image"],
        steps=tuple(steps),
        shell=shell,
        secrets=dict(given(definition, steps, secret or ())),
    )
    raise typer.Exit(local(trial))


def chosen(document: dict[str, Any], job: str | None) -> Sequence[str]:
    """Return the names of the jobs to run: the one asked for, else each that failed; refuse where there is no image."""
    number = document["number"]
    rows = [row for stage in document["stages"] if stage["name"] == "test" for row in stage["jobs"]]
    if not document["image"]:
        raise Refused(f"pipeline #{number} has no image, so its tests cannot run; try the build: farm run build")
    if job is not None:
        names = [row["name"] for row in rows if job in (row["name"], job_name(row["name"]))]
        if not names:
            known = ", ".join(job_name(row["name"]) for row in rows) or "none"
            raise Refused(f"pipeline #{number} has no job {job!r}; it has {known}")
        return names
    names = [row["name"] for row in rows if row["status"] in ("failed", "errored")]
    others = [row["name"] for stage in document["stages"] for row in stage["jobs"] if row["status"] == "failed"]
    if not names and others:
        raise Refused(f"pipeline #{number} failed in {others[0]}, and only jobs of the test stage run again here")
    if not names:
        raise Refused(
            f"no job of pipeline #{number} has failed; name one to run it all the same: farm replay {number} JOB"
        )
    return names


def _folder() -> str | None:
    """Return the work tree around this folder, whose commits need not be fetched; None outside of one."""
    try:
        return str(clone(Path.cwd()).top)
    except Refused:
        return None
