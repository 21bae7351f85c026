"""A step's log that shows stars in place of the secrets which the step is given. It gives it none."""

import threading
from collections.abc import Iterable

from workers.mask import Mask, Stream
from workers.workspace import Log


class MaskedLog:
    """Passes on what it hears to another log, masked from the first secret on; safe in threads."""

    def __init__(self, log: Log, values: Iterable[str] = ()) -> None:
        self._log = log
        self._lock = threading.RLock()
        self._stream = Stream(Mask(values), log.write)

    def hide(self, values: Iterable[str]) -> None:
        """Show none of these values from now on."""
        with self._lock:
            self._stream.end()
            self._stream = Stream(Mask(values), self._log.write)

    @property
    def mask(self) -> Mask:
        """What is not shown."""
        return self._stream.mask

    def write(self, data: bytes) -> None:
        """Take some output as it comes."""
        with self._lock:
            self._stream(data)

    def line(self, text: str) -> None:
        """Take one line of the farm's own words."""
        with self._lock:
            self._stream.end()
            self._log.line(self.mask.text(text))

    def close(self) -> None:
        """Pass on what is kept back as the possible beginning of a value."""
        with self._lock:
            self._stream.end()
