"""The keys by which the farm signs what it posts, as Standard Webhooks wants them. It signs nothing.

https://www.standardwebhooks.com
"""

import base64
import binascii

from farm.errors import Refused
from farm.forges.signature import PREFIX

_SHORTEST, _LONGEST = 24, 64  # bytes of a key, by the specification


def key_of(secret: str) -> bytes:
    """Return the key that a secret `whsec_...` stands for; Refused if it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise Refused(
            f"a webhook's secret is `{PREFIX}` and the base64 of {_SHORTEST} to {_LONGEST} bytes; "
            f"make one: echo {PREFIX}$(head -c 32 /dev/urandom | base64)"
        )
    return key
