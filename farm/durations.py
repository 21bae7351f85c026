"""How long, in words. It measures nothing."""

from collections.abc import Iterator

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Return a length of time: 3.2 s, 42 s, 3 min 5 s, 30 min, 2 h 4 min, 3 d."""
    if seconds < 10:  # noqa: PLR2004 - one digit more where it says something
        return f"{max(0.0, seconds):.1f} s"
    return " ".join(part for part in _parts(round(seconds)) if not part.startswith("0 "))


def so_far(seconds: float) -> str:
    """Return one that goes on, in whole seconds and with its second unit even if that is none: 30 min 0 s."""
    return " ".join(_parts(max(int(seconds), 0)))


def _parts(whole: int) -> Iterator[str]:
    """Give the largest unit that there is, and the one below it."""
    units = [(unit, word) for unit, word in _UNITS if whole >= unit] or [_UNITS[-1]]
    (unit, word), *smaller = units[:2]
    yield f"{whole // unit} {word}"
    for less, name in smaller:
        yield f"{whole % unit // less} {name}"
