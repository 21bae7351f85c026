"""Commands whose modules are imported when they are called, and the one door where errors become sentences."""

import io
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from farm.errors import FarmError, Refused, Unreachable, why
from farm.home import default_home

REFUSED, UNREACHABLE, BROKEN = 2, 6, 70


class Place(NamedTuple):
    """Where a command is, and the line of help that is shown without importing it."""

    module: str
    name: str
    help: str


class LazyGroup(TyperGroup):
    """Knows its commands by place. It ends with one sentence where a command raises, never with a traceback."""

    places: ClassVar[Mapping[str, Place]] = {}

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        for name, place in self.places.items():
            self.commands[name] = TyperCommand(name, short_help=place.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Replace the stub of the help by the command itself."""
        if args and args[0] in self.places:
            self.commands[args[0]] = load(args[0], self.places[args[0]])
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **keys: Any) -> Any:
        """Run the command line and end the process with the code that the help promises."""
        if isinstance(sys.stdout, io.TextIOWrapper):  # a locale may lack letters, which is no reason to break off
            sys.stdout.reconfigure(errors="replace")
        try:
            return super().main(*args, **keys)
        except FarmError as error:
            typer.echo(f"error: {error}", err=True)
            code = UNREACHABLE if isinstance(error, Unreachable) else REFUSED if isinstance(error, Refused) else 1
            sys.exit(code)
        except Exception as error:
            if os.environ.get("FARM_DEBUG"):
                raise
            # The way to a file is closed, or there is no room.
            if isinstance(error, OSError) and isinstance(error.filename, str):
                typer.echo(f"error: {error.filename} cannot be used: {why(error)}; {_mend(error)}", err=True)
                sys.exit(REFUSED)
            typer.echo(
                f"error: the farm has a fault of its own: {type(error).__name__}: {error};"
                " run it again with FARM_DEBUG=1 and report what it prints",
                err=True,
            )
            sys.exit(BROKEN)


def _mend(error: OSError) -> str:
    if Path(error.filename).is_relative_to(default_home()):
        return "run this as the owner of FARM_HOME, or set FARM_HOME to a folder of your own"
    return "mend its path or rights"


def below(words: str, *, alone: bool = False) -> typer.Typer:
    """Return what holds the commands below one word, such as `farm hook`; `alone` the word itself is a command too."""
    return typer.Typer(
        help=words,
        no_args_is_help=not alone,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def load(name: str, place: Place) -> Any:
    """Import a command's module and return the command."""
    found = getattr(import_module(place.module), place.name)
    if isinstance(found, typer.Typer):
        found.info.name = name
        return typer.main.get_command(found)
    only = below("", alone=True)
    only.command(name)(found)
    return typer.main.get_command(only)
