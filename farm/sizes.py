"""How many bytes, in words. It measures nothing."""

_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def size(count: float) -> str:
    """Return a number of bytes: 1.5 TiB, 12.0 GiB, 340 MiB, 12 KiB, 7 bytes."""
    for unit, word in _UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {word}" if unit >= 1 << 30 else f"{count / unit:.0f} {word}"
    return f"{count:.0f} bytes"
