"""The log of each step: a Redis stream of compressed chunks, whole lines. It never raises into the stage that writes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Some whole lines: the number of the first, when they came (Unix s), and the cursor that continues behind them."""

    cursor: str
    line: int
    time: float
    text: str


@dataclass(frozen=True, slots=True)
class LogPage:
    """A part of a log; `dropped` counts the lines that the caps or the budget took."""

    chunks: list[LogChunk]
    cursor: str
    complete: bool
    dropped: int


class LogWriter:
    """Takes a step's output from a stage's thread; a thread of its own sends it. A context manager."""

    def write(self, data: bytes) -> None:
        """Take some output as it comes."""
        raise NotImplementedError

    def line(self, text: str) -> None:
        """Take one line of the farm's own words."""
        raise NotImplementedError

    def close(self) -> None:
        """Send what is left; do so before the step is committed."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Logs:
    """Writes and reads the logs of all steps, within the caps and the global budget, in bytes."""

    def __init__(self, client: Any, *, head: int = 8 << 20, tail: int = 8 << 20, budget: int = 512 << 20) -> None:
        self.redis = client
        self.head, self.tail, self.budget = head, tail, budget

    def writer(self, number: int, step: str, fence: int) -> LogWriter:
        """Return a writer that is heard as long as the fence is the step's newest."""
        raise NotImplementedError

    def read(self, number: int, step: str, after: str = "0", limit: int = 1 << 20) -> LogPage:
        """Return the lines behind a cursor, about `limit` bytes at most."""
        raise NotImplementedError

    def text(self, number: int, step: str) -> Iterator[str]:
        """Give the whole log in pieces; a word stands where lines are missing."""
        raise NotImplementedError

    def complete(self, number: int, step: str) -> None:
        """Pack the small chunks of a finished log."""
        raise NotImplementedError
