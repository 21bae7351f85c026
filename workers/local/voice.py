"""The log of a step on this machine: straight to the terminal, each line behind the job's name where several run."""

import sys

from farm.errors import Canceled


class Voice:
    """Writes as the output comes; with a name, line by line. It keeps nothing."""

    def __init__(self, name: str | None) -> None:
        self._before = f"{name} | ".encode() if name else b""
        self._out = sys.stdout.buffer
        self._inside = False  # a line has begun and has no end yet

    def write(self, data: bytes) -> None:
        """Pass some output on."""
        if not data:
            return
        shown = data
        if self._before:
            shown = data.replace(b"\n", b"\n" + self._before)
            shown = shown if self._inside else self._before + shown
            if data.endswith(b"\n"):
                shown = shown.removesuffix(self._before)
        self._inside = not data.endswith(b"\n")
        try:
            self._out.write(shown)
            self._out.flush()
        except BrokenPipeError:
            raise Canceled("nobody reads the output any more") from None

    def line(self, text: str) -> None:
        """Write one line of the farm's own words."""
        self.end()
        self.write(f"{text}\n".encode(errors="replace"))

    def end(self) -> None:
        """End the line that has begun."""
        if self._inside:
            self.write(b"\n")
