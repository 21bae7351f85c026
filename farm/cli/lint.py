"""`farm lint`: says what is wrong with a definition, all at once. It asks no server and starts nothing."""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len

from farm.cli.arguments import AsJson
from farm.cli.beside import Folder, folders
from farm.definition import ALONE, Definition, DefinitionError, Mistake, parse
from farm.definition.composing import BYTES
from farm.definition.mistakes import SHOWN, lines
from farm.errors import Refused, why

NAME = ".farm.yml"
WIDTH = 160
NAMED = 6
_WORD = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s:,\[\]{}]+|.|$")
_UNSHOWABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def lint(
    file: Annotated[
        str | None, typer.Argument(help="The file; `-` is standard input. Without it the next .farm.yml upwards.")
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME=FOLDER", help="Where a repository is whose files are included."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a definition without a server: every mistake with its line and what to write instead.

    Exits with 0 if it can be used and with 2 if not.
    """
    path = file or _nearest(Path.cwd())
    name = "<stdin>" if path == "-" else path
    others, texts = folders(with_ or ()), dict[str, bytes]()
    try:
        content = texts[name] = _read(path)
    except OSError as error:
        raise Refused(f"{name} cannot be read: {why(error)}; mend its path or rights") from None
    definition: Definition | None = None
    mistakes: Sequence[Mistake] = ()
    try:
        definition = parse(content, name, ALONE if path == "-" else _around(Path(path), others, texts))
    except DefinitionError as error:
        mistakes = error.mistakes
    if as_json:
        typer.echo(json.dumps(_document(name, definition, mistakes), indent=2))
    elif definition:
        typer.echo(f"{name}: {summary(definition)}")
    else:
        typer.echo(complaint(mistakes, texts))
    if mistakes:
        raise typer.Exit(2)


def summary(definition: Definition) -> str:
    """Return in one line what a push will do."""
    if not definition.releasable:
        return "build; nothing is tested, so nothing is released (add test, or `test: none` to say so on purpose)"
    names = list(definition.jobs)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    test = "test" if names == ["test"] else f"test ({', '.join(names[:NAMED])}{more})"
    if not definition.release.tags:
        return " -> ".join(["build", *([test] if definition.jobs else [])]) + "; nothing is released"
    release = f"release ({', '.join(definition.release.tags)})"
    return " -> ".join(["build", *([test] if definition.jobs else []), release])


def complaint(mistakes: Sequence[Mistake], texts: Mapping[str, bytes]) -> str:
    """Return all mistakes as a person reads them: each with its line and a mark below the place."""
    sources = {name: lines(text.decode(errors="replace")) for name, text in texts.items()}
    parts = [f"{mistake}\n{_excerpt(mistake, sources.get(mistake.file, []))}" for mistake in mistakes[:SHOWN]]
    if len(mistakes) > SHOWN:
        parts.append(f"and {len(mistakes) - SHOWN} more; mend these first")
    parts.append("1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes")
    return "\n".join(parts)


def _excerpt(mistake: Mistake, all_lines: Sequence[str]) -> str:
    line = _UNSHOWABLE.sub("�", all_lines[mistake.line - 1]) if mistake.line <= len(all_lines) else ""
    start = max(0, mistake.column - WIDTH // 2)
    shown, column = line[start : start + WIDTH], mistake.column - 1 - start
    before = "".join(letter if letter == "\t" else " " * cell_len(letter) for letter in shown[:column])
    word = _WORD.match(shown, min(column, len(shown)))
    mark = "^" * max(1, cell_len(word[0]) if word else 1)
    gutter = " " * len(str(mistake.line))
    return f"  {mistake.line} | {shown}\n  {gutter} | {before}{mark}"


def _document(name: str, definition: Definition | None, mistakes: Sequence[Mistake]) -> dict[str, Any]:
    return {
        "file": name,
        "mistakes": [mistake.document() for mistake in mistakes],
        "definition": definition.model_dump(mode="json") if definition else None,
    }


def _read(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read(BYTES + 1)
    with Path(path).open("rb") as stream:
        return stream.read(BYTES + 1)


def _around(file: Path, others: Mapping[str, Path], texts: dict[str, bytes]) -> Folder:
    """Return the files that a definition can include: those of the work tree that it is in, else of its folder."""
    own = file.absolute().parent
    top = next((folder for folder in (own, *own.parents) if (folder / ".git").exists()), own)
    before = os.path.relpath(top)
    return Folder(top, others, "" if before == "." else f"{before}/", texts)


def _nearest(folder: Path) -> str:
    for parent in (folder, *folder.parents):
        if (parent / NAME).is_file():
            return os.path.relpath(parent / NAME, folder)
        if (parent / ".git").exists():
            break
    raise Refused(f"there is no {NAME} here; without one the farm builds the image, but tests and releases nothing")
