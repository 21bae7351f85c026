"""`farm config ...`: what is wrong with farm.yml, and which settings hold and from where. It changes none."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ByteSize

from farm.cli.arguments import AsJson
from farm.cli.group import below
from farm.cli.lint import complaint
from farm.client import Client
from farm.definition.mistakes import Mistake
from farm.errors import FarmError, Refused, why
from farm.home import default_home
from farm.settings import Settings, SettingsError
from farm.settings.document import Document
from farm.settings.reader import parse
from farm.settings.secret import Secret, advice
from farm.settings.sources import exposed, origin, own_file, sources

config_app = below("Check and show the settings of this machine.")
_HIDDEN = "(hidden)"


@config_app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="The file. Default: farm.yml of FARM_HOME.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a farm.yml: every mistake with its line and what to write instead, and secrets that are kept carelessly.

    Exits with 0 if it can be used and with 2 if not; careless secrets are warnings. It needs no server; where the
    dispatcher answers, it says what that runs with.
    """
    path = file or own_file(default_home())
    if file is None and not path.exists():
        typer.echo(f"{path} does not exist, so the defaults hold; `farm config show` prints them")
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {why(error)}; mend its path or rights") from None
    mistakes, warnings = _examine(content, path)
    running = None if file else _running()
    if as_json:
        found: dict[str, Any] = {
            "file": str(path),
            "mistakes": [each.document() for each in mistakes],
            "warnings": warnings,
        }
        typer.echo(json.dumps(found | {"dispatcher": running}, indent=2))
    elif mistakes:
        typer.echo(complaint(mistakes, {str(path): content}))
    else:
        typer.echo("\n".join([*(f"warning: {words}" for words in warnings), f"{path} can be used"]))
    if running and not as_json and (words := _taken(running, broken=bool(mistakes))):
        typer.echo(words)
    if mistakes:
        raise typer.Exit(2)
    if file is None:
        Settings.load()  # what comes from the environment may still be wrong


def _running() -> Mapping[str, Any] | None:
    """Return what the dispatcher says that it runs with, None where there is none."""
    try:
        settings = Settings.load(own=False)
        with Client(settings.url, settings.token) as client:
            return client.config()
    except FarmError:
        return None


def _taken(running: Mapping[str, Any], *, broken: bool) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(running["since"]))
    if broken or running["problem"]:  # it may not have looked at the file yet
        return f"the dispatcher goes on with the settings that it has had since {since}"
    if running["waiting"]:
        return f"the dispatcher takes {', '.join(running['waiting'])} over when it is started anew"
    return f"the dispatcher runs with it since {since}"


def _examine(content: bytes, path: Path) -> tuple[Sequence[Mistake], Sequence[str]]:
    try:
        said = parse(content, str(path))
    except SettingsError as error:
        return error.mistakes, ()
    return (), [*advice(Document.model_validate(said)), *exposed(said)]


@config_app.command()
def show(as_json: AsJson = False) -> None:
    """Show each setting of this machine with the place that it comes from; secrets are never shown."""
    settings = Settings.load()
    found = sources(settings.home)
    rows: list[tuple[str, Any, str]] = []
    for name, field in Document.model_fields.items():
        value = getattr(settings, name)
        shown = value if field.repr or not value else _HIDDEN
        rows += [(key, each, origin(found, key)) for key, each in _flat(name, shown)]
    if as_json:
        typer.echo(json.dumps([{"key": key, "value": value, "source": place} for key, value, place in rows], indent=2))
        return
    texts = [(key, _text(value), place) for key, value, place in rows]
    wide, long = (max(len(row[index]) for row in texts) for index in (0, 1))
    for key, text, place in texts:
        typer.echo(f"{key:<{wide}}  {text:<{min(long, 48)}}  {place}".rstrip())


def _flat(key: str, value: object) -> Iterator[tuple[str, Any]]:
    """Give the single values below a key, as JSON has them."""
    if isinstance(value, Secret):
        yield key, value.document()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _flat(f"{key}.{name}", getattr(value, name))
    elif isinstance(value, Mapping) and value:
        for name, each in value.items():
            yield from _flat(f"{key}.{name}", each)
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for index, each in enumerate(value):
            yield from _flat(f"{key}.{index}", each)
    else:
        yield key, list(value) if isinstance(value, tuple) else value


def _text(value: object) -> str:
    if isinstance(value, ByteSize):
        return value.human_readable()
    return value if isinstance(value, str) else json.dumps(value)
