"""Durations and sizes of a definition: what people write (5m, 2g) and the seconds and bytes that it means."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from farm.definition.values import kind, shown, written, wrong

HOUR = 3600
_DURATION = re.compile(r"(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?")
_SIZE = re.compile(r"(\d{1,6})([mg])")
_MIB = 1024 * 1024


def _seconds(value: object) -> float:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if value.isascii() and value.isdigit() and len(value) <= 6:  # noqa: PLR2004 - days of seconds, no more
            return float(value)
        if value and match:
            hours, minutes, seconds = (int(part or 0) for part in match.groups())
            return float(hours * HOUR + minutes * 60 + seconds)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise wrong(f"a duration is expected here, not {kind(value)}", "write 90, 90s, 5m, 1h or 1h30m")


def _bounded(least: float, most: float) -> Callable[[object], float]:
    def check(value: object) -> float:
        seconds = _seconds(value)
        if not least <= seconds <= most:
            raise wrong(f"{shown(written(value))} is not between {least:g}s and {most / HOUR:g}h")
        return seconds

    return check


def duration(least: float, most: float) -> Any:
    """Return the type of a duration in seconds between two bounds."""
    return Annotated[
        float,
        BeforeValidator(_bounded(least, most)),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "number", "minimum": least, "maximum": most},
                    {"type": "string", "pattern": "^(?=[0-9])([0-9]{1,6}|([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?)$"},
                ]
            }
        ),
    ]


ReadyTimeout = duration(1, HOUR)
JobTimeout = duration(1, 24 * HOUR)
PipelineTimeout = duration(1, 7 * 24 * HOUR)
HookTimeout = duration(1, 4 * HOUR)  # less than the time after which a sweep takes what a step has left


def _bytes(value: object) -> object:
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.lower())):
        size = int(match[1]) * (_MIB if match[2] == "m" else 1024 * _MIB)
    elif isinstance(value, int) and not isinstance(value, bool) and value >= _MIB:
        size = value
    else:
        raise wrong(f"a size is expected here, not {kind(value)}", "write 512m or 2g")
    if not 4 * _MIB <= size <= 1024 * 1024 * _MIB:
        raise wrong(f"{kind(value)} is not between 4m and 1024g")
    return size


Memory = Annotated[
    int,
    BeforeValidator(_bytes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "^[0-9]{1,6}[mMgG]$"},
                {"type": "integer", "minimum": 4 * _MIB, "maximum": 1024 * 1024 * _MIB},
            ]
        }
    ),
]
