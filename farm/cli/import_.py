"""`farm import`: a `.gitlab-ci.yml` becomes a `.farm.yml`, and all that is different or gone is told with its line."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from farm.cli import clone
from farm.errors import Refused, why
from farm.gitlab import convert


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The .gitlab-ci.yml; `-` is standard input.")],
    *,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Where to write, such as .farm.yml. Default: print it.")
    ] = None,
    default_branch: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The default branch. Default: what the clone says of its origin, else main."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write the .farm.yml that a .gitlab-ci.yml amounts to, and say with line numbers what could not be taken over.

    The definition goes to standard output or to a file, the rest to standard error. Exits with 1 if what
    came out has to be mended by hand before it is valid.
    """
    name = "<stdin>" if file == "-" else file
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = content.decode()
    except OSError as error:
        raise Refused(f"{name} cannot be read: {why(error)}; mend its path or rights") from None
    except UnicodeDecodeError:
        raise Refused(f"{name} is no UTF-8 text; save it as UTF-8") from None
    folder = Path.cwd() if file == "-" else Path(file).resolve().parent
    conversion = convert(text, name, _reader(folder), default_branch or clone.default_branch(folder))
    if output is None:
        typer.echo(conversion.text, nl=False)
    else:
        _write(Path(output), conversion.text, force=force)
    for note in conversion.notes:
        place = f"{note.file or name}:{note.line}" if note.line else name
        typer.echo(f"{place}: {note.about}: {note.message}", err=True)
    for mistake in conversion.mistakes:
        typer.echo(f"mend by hand: {mistake}", err=True)
    count = len(conversion.notes)
    where = output or "what is printed above"
    told = "nothing was left out" if not count else f"{count} thing{'s' if count > 1 else ''} to know, above"
    typer.echo(f"{where}: {told}; try it: farm run --dirty", err=True)
    if conversion.mistakes:
        raise typer.Exit(1)


def _reader(top: Path) -> Callable[[str], Mapping[str, str]]:
    """Return what reads included files: those below the folder of the file itself, as the repository's root."""

    def read(path: str) -> Mapping[str, str]:
        if ".." in Path(path).parts:  # outside is nothing of the repository, and maybe the whole disk
            return {}
        try:
            found = sorted(top.glob(path)) if "*" in path else [top / path]
            inside = [each for each in found if each.is_file() and each.resolve().is_relative_to(top)]
            return {str(each.relative_to(top)): each.read_text(encoding="utf-8") for each in inside}
        except (OSError, ValueError, NotImplementedError) as error:
            raise Refused(
                f"{path}, which is included, cannot be read: {error}; mend it, or take the include away"
            ) from None

    return read


def _write(path: Path, text: str, *, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise Refused(f"{path} is there already; --force writes over it") from None
    except OSError as error:
        raise Refused(f"{path} cannot be written: {why(error)}; name another file with -o") from None
