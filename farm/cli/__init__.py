"""`farm ...`: the command line. It reaches the stages only through the dispatcher or as a subprocess."""

import typer

app = typer.Typer()
