"""What `farm doctor` learns of this machine's engine: one JSON document. It changes nothing there.

`python -m workers.checkup REGISTRY` prints `{"error": sentence}`, or the engine's version, builder, data folder, and in
`registry` what the engine itself says when it is sent to the registry: "" is well.
"""

import json
import sys
from typing import Any

from farm.errors import FarmError
from workers.docker.api import DockerApi, Refusal
from workers.docker.buildkit import CLASSIC, builder

# Words of an engine that does not get through to a registry; every other refusal comes from the registry itself.
_NO_ENTRY = ("HTTP response to HTTPS client", "x509", "dial tcp", "lookup", "timeout", "Timeout", "EOF", "tls:")


def checkup(registry: str) -> dict[str, Any]:
    """Ask the engine; FarmError if it does not answer."""
    api = DockerApi()
    info = api.call("GET", "/info")
    chosen = builder(api)
    return {
        "version": info["ServerVersion"],
        "builder": chosen,
        "classic": chosen == CLASSIC,
        "architecture": info["Architecture"],
        "folder": info["DockerRootDir"],
        "registry": _reaches(api, registry),
    }


def _reaches(api: DockerApi, registry: str) -> str:
    try:
        # There is no such image; what counts is who says so.
        api.call("GET", f"/distribution/{registry}/farm/warm:none/json")
    except Refusal as refusal:
        return refusal.message if any(words in refusal.message for words in _NO_ENTRY) else ""
    return ""


if __name__ == "__main__":
    try:
        document = checkup(sys.argv[1])
    except FarmError as error:
        document = {"error": str(error)}
    json.dump(document, sys.stdout)
