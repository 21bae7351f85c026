"""How a script gets secrets: a file in its container that it reads first, and empties. It masks nothing.

In the container's configuration they would be open to whoever may ask the engine, and in an image that is made of the
container.
"""

import io
import shlex
import tarfile
from collections.abc import Iterator, Mapping

PLACE = "/.farm-secrets"
READ = f"[ ! -s {PLACE} ] || . {PLACE}"
EMPTY = f"(: >{PLACE}) 2>/dev/null || true"


def tree(secrets: Mapping[str, str]) -> Iterator[bytes]:
    """Give the file as a tar without an end, so that another one may follow; any user in there may empty it."""
    content = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in secrets.items()).encode()
    entry = tarfile.TarInfo(PLACE.removeprefix("/"))
    entry.size, entry.mode = len(content), 0o666
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(entry, io.BytesIO(content))
        length = buffer.tell()
    yield buffer.getvalue()[:length]
