"""What the output is: a terminal or not, how wide, with colour or not. And strangers' text made fit for it."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.cells import cell_len, chop_cells

from farm.plain import plain

STYLES = {"running": "blue", "passed": "green", "failed": "red", "errored": "magenta", "canceled": "yellow"}
_COPIED = re.compile(r"://|@sha256:")
_SGR = re.compile(r"(\x1b\[[0-9;:]*m)")


def is_terminal() -> bool:
    """Return whether a person looks at the output as it comes."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def has_colour() -> bool:
    """Return whether colours are wanted: on a terminal, unless NO_COLOR says no."""
    return is_terminal() and not os.environ.get("NO_COLOR")


def width() -> int:
    """Return the columns of the terminal; where there is none a line may be long."""
    return shutil.get_terminal_size().columns if is_terminal() else 160


def paint(line: str, status: str) -> str:
    """Return the line in the colour of a status, where there is colour."""
    colour = STYLES.get(status)
    return typer.style(line, fg=colour) if colour and has_colour() else line


def say(line: str, status: str = "") -> None:
    """Print a line, in the colour of a status; on a terminal that is narrower than the line, as several lines."""
    for piece in wrapped(line, width()) if is_terminal() else (line,):
        typer.echo(paint(piece, status))


def wrapped(line: str, columns: int) -> Iterator[str]:
    """Give a line in pieces of so many columns at most, broken between words, all but the first further to the right.

    A longer word is broken too, but for what is copied as a whole: the address of a page, an image, a command.
    """
    command = " docker run " in line
    most = max(8, columns - 2 if command and cell_len(line) > columns else columns)
    margin = " " * min(len(line) - len(line.lstrip()) + 2, columns // 4)
    piece = ""
    for word in re.findall(r"\s*\S+", line.expandtabs()):
        if piece.strip() and cell_len(piece + word) > most:
            yield piece + (" \\" if command else "")
            piece, word = margin, word.lstrip()  # noqa: PLW2901 - it begins a piece
        piece += word
        while cell_len(piece) > most and not command and not _COPIED.search(word):
            head = chop_cells(piece, most)[0]
            yield head
            piece = margin + piece[len(head) :]
    yield piece


@contextmanager
def bar(words: str, total: int) -> Iterator[Callable[[int], None]]:
    """Give what is to be told of each so many bytes that have come; on a terminal it draws how far that is."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only who waits pays for it
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(words, total=total)
        yield lambda count: progress.advance(task, count)


def shown(line: str, *, colour: bool) -> str:
    """Return a line of a log without what could act on a terminal; with colour its own colours stay."""
    if not colour or "\x1b" not in line:
        return plain(line)
    parts = _SGR.split(line.rstrip("\r\n").rsplit("\r", 1)[-1])
    return "".join(part if _SGR.fullmatch(part) else _kept(part) for part in parts) + "\x1b[0m"


def _kept(part: str) -> str:
    spaces = len(part) - len(part.rstrip())
    return plain(part) + " " * spaces
