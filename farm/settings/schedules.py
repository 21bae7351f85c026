"""What a farm says about pipelines that begin by the clock, and when that is. It starts none and keeps no time.

A schedule's times are as cron's on Debian: what falls into the hour that a clock skips runs at its end, what falls into
an hour that comes twice runs once if its hour is named, and each time if it runs every hour.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field

from farm.definition.hints import nearest
from farm.definition.values import shown, wrong
from farm.errors import Refused
from farm.settings.values import Values
from farm.variables import options

DAYS = 8 * 86400.0  # seconds before a moment in which its last time is sought first
_ORDER = "minute, hour, day of the month, month, day of the week"


def _cron(text: str) -> str:
    try:
        if len(text.split()) != 5:  # noqa: PLR2004 - cronsim takes a sixth for seconds
            raise wrong("a cron expression has five fields", f"{_ORDER}, such as 0 3 * * 1-5")
        times = CronSim(text, datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC")))
    except CronSimError as error:
        said = str(error)
        raise wrong(f'"{shown(text)}": {said[:1].lower()}{said[1:]}', f"in this order: {_ORDER}") from None
    if next(times, None) is None:
        raise wrong(f'"{shown(text)}" never comes')
    return text


def _zone(text: str) -> str:
    if text not in available_timezones():
        near = nearest(text, available_timezones())
        raise wrong(f'"{shown(text)}" is no time zone', f'did you mean "{near}"?' if near else "such as Europe/Berlin")
    return text


def _variables(given: Mapping[str, str]) -> Mapping[str, str]:
    try:
        options(given)
    except Refused as refusal:
        raise wrong(str(refusal)) from None
    return given


class ScheduleSettings(Values):
    """One pipeline that begins by the clock, of a branch or tag as it is at that moment."""

    repository: str = Field(min_length=1)
    """Its name on the farm."""
    ref: str = Field(default="", max_length=1000)
    """A branch or tag; without it the default branch."""
    cron: Annotated[str, AfterValidator(_cron)]
    """When: minute, hour, day of the month, month, day of the week, as in a crontab."""
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """Whose clock counts, such as Europe/Berlin."""
    variables: Annotated[Mapping[str, str], AfterValidator(_variables)] = Field(default_factory=dict)
    """Variables for its jobs, as `git push -o farm.var=NAME=VALUE` gives them."""

    def due(self, last: float, now: float) -> float | None:
        """Return the newest of its times after `last` up to `now` (Unix seconds), or None; older ones are let go."""
        for begin in dict.fromkeys((max(last, now - DAYS), last)):
            newest = None
            for moment in self._times(begin):
                if moment > now:
                    break
                newest = moment
            if newest is not None:
                return newest
        return None

    def upcoming(self, now: float, count: int) -> Sequence[float]:
        """Return its next times after `now`, Unix seconds."""
        return list(islice(self._times(now), count))

    def _times(self, after: float) -> Iterator[float]:
        for moment in CronSim(self.cron, datetime.fromtimestamp(after, ZoneInfo(self.timezone))):
            yield moment.timestamp()
