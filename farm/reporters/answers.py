"""What answers over HTTP say of patience. It asks nobody."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

LONGEST = 3600.0  # seconds that anybody is waited for, whatever they ask


def patience(headers: Mapping[str, Any]) -> float | None:
    """Return the seconds that `Retry-After` asks for, as a number or as a date; None without one that can be read."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    text = str(value[0] if isinstance(value, list) and value else value)
    if value is None:
        return None
    if text.strip().isdecimal():
        seconds = float(text)
    else:
        try:
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return min(LONGEST, max(0.0, seconds))
