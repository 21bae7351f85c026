"""What a build machine has left: load, memory, disks. It judges nothing; workers/gate.py does."""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from farm.record import Disk, Machine

_MEMINFO = Path("/proc/meminfo")


def measure(places: Iterable[Path]) -> Machine:
    """Return how the machine stands now; places on one disk count once, what cannot be read is left out."""
    load = 0.0
    with suppress(OSError):
        load = os.getloadavg()[0]
    return Machine(load, os.cpu_count() or 1, *_memory(), tuple(_disks(places)))


def _memory() -> tuple[int, int]:
    kilobytes = {}
    with suppress(OSError, ValueError):
        for line in _MEMINFO.read_text().splitlines():
            name, _, value = line.partition(":")
            kilobytes[name] = int(value.split()[0])
    return kilobytes.get("MemAvailable", 0) << 10, kilobytes.get("MemTotal", 0) << 10


def _disks(places: Iterable[Path]) -> Iterable[Disk]:
    seen = set()
    for place in places:
        with suppress(OSError):
            device = place.stat().st_dev
            if device not in seen:
                seen.add(device)
                usage = shutil.disk_usage(place)
                yield Disk(str(place), usage.free, usage.total)
