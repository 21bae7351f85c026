"""Ports for the servers of tests."""

import itertools
import os
import random

from farm.home import is_free

# Below what Linux gives to outgoing connections, so that none of those takes a port before its server has it, or while
# that is killed and started again; each process of pytest-xdist keeps to a part of its own.
FIRST, LAST, PARTS = 10_000, 32_000, 8

_part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PARTS
_size = (LAST - FIRST) // PARTS
_ports = itertools.cycle(range(FIRST + _part * _size, FIRST + (_part + 1) * _size))
for _ in range(random.SystemRandom().randrange(_size)):  # another run on this machine begins elsewhere
    next(_ports)


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on and that no other test of this run is given soon."""
    return list(itertools.islice(filter(is_free, _ports), count))
