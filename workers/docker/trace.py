"""BuildKit's progress, as the API sends it, in readable lines. It only reads: nothing here talks to an engine.

The messages are those of moby/buildkit, api/services/control/control.proto: StatusResponse {1: Vertex, 3: VertexLog}.
"""

from collections.abc import Iterator

# Fields of a Vertex and of a VertexLog.
_DIGEST, _NAME, _CACHED, _STARTED = 1, 3, 4, 5
_LOG_VERTEX, _LOG_TEXT = 1, 4
_QUIET = ("[internal]", "[auth]", "copy /context", "exporting ")


class Trace:
    """One build's steps as they begin and what they print. It keeps only what it needs to name a step once."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}
        self._told: set[bytes] = set()
        self._current: bytes | None = None

    def read(self, status: bytes) -> bytes:
        """Return what a person should see of one StatusResponse."""
        lines: list[bytes] = []
        for field, value in fields(status):
            if field == 1 and isinstance(value, bytes):
                lines += self._vertex(dict(fields(value)))
            if field == 3 and isinstance(value, bytes):  # noqa: PLR2004  VertexLog
                lines += self._log(dict(fields(value)))
        return b"".join(lines)

    def _vertex(self, vertex: dict[int, int | bytes]) -> Iterator[bytes]:
        digest, name = _bytes(vertex, _DIGEST), _bytes(vertex, _NAME).decode(errors="replace")
        self._names[digest] = name
        if digest in self._told or name.startswith(_QUIET):
            return
        if vertex.get(_CACHED):
            self._told.add(digest)
            yield f"{name} (cached)\n".encode()
        elif _STARTED in vertex:
            self._told.add(digest)
            self._current = digest
            yield f"{name}\n".encode()

    def _log(self, log: dict[int, int | bytes]) -> Iterator[bytes]:
        digest = _bytes(log, _LOG_VERTEX)
        if digest != self._current:  # stages build side by side: say whose lines follow
            self._current = digest
            yield f"{self._names.get(digest, '')} …\n".encode()
        yield _bytes(log, _LOG_TEXT)


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Walk over the fields of one message in protobuf's wire format; raises ValueError if it is none."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if kind == 2:  # noqa: PLR2004  a length and that many bytes
            size, position = _varint(message, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if position + size > len(message):
            raise ValueError("cut short")
        yield key >> 3, message[position : position + size]
        position += size


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  the last byte of a number
            return value, position
        shift += 7
    raise ValueError("cut short")


def _bytes(message: dict[int, int | bytes], field: int) -> bytes:
    value = message.get(field, b"")
    return value if isinstance(value, bytes) else b""
