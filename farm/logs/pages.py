"""What a reader gets of a log: chunks and pages, and how an entry of the stream is made and understood."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class Packed:
    """One entry of the stream: lines `first` to `last`, each part of them with the time at which it came."""

    first: int
    last: int
    parts: Sequence[tuple[int, float]]  # (first line, Unix s)
    size: int  # bytes, unpacked
    data: bytes

    @classmethod
    def of(cls, chunks: Sequence[LogChunk]) -> "Packed":
        """Pack chunks that follow each other without a gap."""
        raw = "".join(chunk.text for chunk in chunks).encode()
        parts = [(chunk.line, chunk.time) for chunk in chunks]
        return cls(chunks[0].line, int(chunks[-1].cursor), parts, len(raw), zlib.compress(raw, 6))

    @classmethod
    def read(cls, entry: tuple[bytes, Sequence[bytes]]) -> "Packed":
        """Understand what Redis holds: its id and its fields, names and values by turns."""
        name, flat = entry
        fields: Mapping[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
        parts = []
        for mark in fields[b"t"].split():
            line, _, time = mark.partition(b":")
            parts.append((int(line), float(time)))
        return cls(int(fields[b"f"]), int(name.split(b"-")[0]), parts, int(fields[b"s"]), fields[b"z"])

    @property
    def marks(self) -> str:
        """The parts as they are stored."""
        return " ".join(f"{line}:{time:.3f}" for line, time in self.parts)

    def chunks(self, after: int = 0) -> Iterator[LogChunk]:
        """Give the parts back as chunks, without the lines up to `after`."""
        lines = zlib.decompress(self.data).decode().split("\n")
        ends = [line for line, _ in self.parts[1:]] + [self.last + 1]
        for (line, time), end in zip(self.parts, ends, strict=True):
            start = max(line, after + 1)
            if start < end:
                text = "".join(f"{row}\n" for row in lines[start - self.first : end - self.first])
                yield LogChunk(str(end - 1), start, time, text)
