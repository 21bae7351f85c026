"""The image of the smallest container: one program that waits for ever. It is made here, so nothing is ever pulled.

A container that runs it keeps a network open, and others start into that one much faster than into one of their own
(82 against 282 ms, and 32 against 128 ms until their end is told).
"""

import hashlib
import io
import json
import struct
import tarfile

_PROGRAM = "hold"

# By the processor: ELF's number for it, and the program: wait for a signal, and again.
_CODE = {
    # mov eax, 34 (pause); syscall; jmp to the start
    "amd64": (62, bytes.fromhex("b822000000 0f05 ebf7")),
    # mov x0..x3, 0; mov x8, 73 (ppoll); svc 0; b to the start
    "arm64": (183, struct.pack("<7I", *(0xD2800000 | i for i in range(4)), 0xD2800928, 0xD4000001, 0x17FFFFFA)),
}
_BASE = 0x400000
_HEADERS = 64 + 56


def image(architecture: str) -> tuple[str, bytes] | None:
    """Return the image's name and what `docker load` makes it from; None for a processor without a program here."""
    if architecture not in _CODE:
        return None
    machine, code = _CODE[architecture]
    layer = _tar({_PROGRAM: _elf(machine, code)})
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Entrypoint": [f"/{_PROGRAM}"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    digest = hashlib.sha256(config).hexdigest()
    name = f"farm-holder:{digest[:12]}"
    manifest = json.dumps([{"Config": f"{digest}.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    return name, _tar({f"{digest}.json": config, "layer.tar": layer, "manifest.json": manifest})


def _elf(machine: int, code: bytes) -> bytes:
    """Return a static 64-bit program: the header, one loaded segment, the code (elf(5))."""
    size = _HEADERS + len(code)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x10000)
    return ident + header + segment + code


def _tar(files: dict[str, bytes]) -> bytes:
    """Return a tar that is the same each time."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()
