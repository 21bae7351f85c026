"""Whether a run on this machine is to end: a signal, or the end of the program that started it. It ends nothing."""

import os
import signal

from farm.errors import Canceled


class Interruption:
    """Whether the person, or whoever started this, wants it to end; it takes the place of a lease."""

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._wanted = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._take)

    def _take(self, *_: object) -> None:
        self._wanted = True

    def check(self) -> None:
        """Raise Canceled if it is to end."""
        if self._wanted or os.getppid() != self._parent:
            raise Canceled("interrupted")
