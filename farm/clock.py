"""The farm's clock is Redis's own, which all machines share. It knows no other."""

from typing import Any


def now(client: Any) -> float:
    """Return the time of a Redis in Unix seconds."""
    seconds, micros = client.time()
    return float(seconds) + float(micros) / 1e6
