"""`farm schedules`: what begins by the clock, and when. It starts nothing."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import typer

from farm.cli import terminal
from farm.cli.arguments import AsJson
from farm.client import Client
from farm.plain import plain
from farm.refs import short
from farm.settings import Settings


def schedules(as_json: AsJson = False) -> None:
    """List the schedules of farm.yml with their next times, by their own clocks, and what the last one started."""
    settings = Settings.load()
    with Client(settings.url, settings.token) as client:
        rows = client.schedules()
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        ref = short(row["ref"]) or "(default branch)"
        terminal.say(f"{row['name']}  {plain(row['repository'])} {plain(ref)}  {row['cron']}  {row['timezone']}")
        terminal.say(f"  next  {', '.join(_time(each, row['timezone']) for each in row['next'])}")
        if row["last"]:
            terminal.say(f"  last  {_last(row['last'], row['timezone'])}")
    if not rows:
        typer.echo("farm.yml has no schedules; config/farm.yml shows how one is written", err=True)


def _last(last: dict[str, Any], zone: str) -> str:
    came = f"#{last['number']}" if last["number"] else f"nothing: {plain(last['problem'])}"
    return f"{_time(last['time'], zone)}  {came}"


def _time(moment: float, zone: str) -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M %z")
