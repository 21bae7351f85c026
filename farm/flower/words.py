"""How times and sentences are written on the pages. farm.js writes times the same way while a page is open."""

import re
import time
from datetime import UTC, datetime

from markupsafe import Markup, escape

MINUTE, HOUR, DAY = 60, 3600, 86400


def span(seconds: float) -> str:
    """Return a length of time: `31 ms`, `2.8 s`, `42 s`, `3 min 05 s`, `1 h 20 min`, `3 d 4 h`."""
    seconds = max(seconds, 0)
    if 0 < seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:  # noqa: PLR2004 - one digit more where it says something
        return f"{seconds:.1f} s"
    return so_far(seconds)


def so_far(seconds: float) -> str:
    """Return the same in whole seconds, for what still goes on."""
    whole = max(int(seconds), 0)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02d} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


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
