"""What several commands take, and who gives it: a pipeline, `--json`, the name of a person."""

import getpass
from typing import Annotated

import typer

Number = Annotated[int | None, typer.Argument(metavar="[N]", help="The pipeline. Default: this branch's newest.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def who() -> str:
    """Return the name by which the record knows who asked for something."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
