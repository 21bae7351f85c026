"""How times and sentences are written on the pages. farm.js writes times the same way while a page is open."""

import re
import time
from datetime import UTC, datetime

from markupsafe import Markup, escape

from farm.durations import duration, so_far

MINUTE, HOUR, DAY = 60, 3600, 86400


def span(seconds: float) -> str:
    """Return a length of time: as everywhere else, and what is less than a second as `31 ms`."""
    return f"{seconds * 1000:.0f} ms" if 0 < seconds < 1 else duration(seconds)


def left(until: float, now: float | None = None) -> str:
    """Return how long something will still take that usually ends at a moment."""
    seconds = until - (time.time() if now is None else now)
    return f"about {so_far(seconds + 1)} left" if seconds > 0 else f"{so_far(-seconds)} longer than usual"


def ago(moment: float, now: float | None = None) -> str:
    """Return how long ago a moment was, in its largest unit."""
    seconds = int((time.time() if now is None else now) - moment)
    if seconds < 10:  # noqa: PLR2004
        return "just now"
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name} ago"
    return f"{seconds} s ago"


def iso(moment: float) -> str:
    """Return a moment as ISO 8601, UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(moment: float) -> str:
    """Return a moment for people, UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ticks(sentence: str) -> Markup:
    """Return a sentence of the farm's as HTML, what stands between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(sentence))))  # noqa: S704 - escaped before
