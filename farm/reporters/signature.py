"""Signatures of Standard Webhooks (https://www.standardwebhooks.com), version v1. It sends nothing."""

import base64
import binascii
import hashlib
import hmac

from farm.errors import Refused

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes of a key, by the specification


def key_of(secret: str) -> bytes:
    """Return the key that a secret `whsec_...` stands for; Refused if it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise Refused(
            f"a webhook's secret is `{_PREFIX}` and the base64 of {_SHORTEST} to {_LONGEST} bytes; "
            f"make one: echo {_PREFIX}$(head -c 32 /dev/urandom | base64)"
        )
    return key


def sign(key: bytes, identity: str, timestamp: int, body: bytes) -> str:
    """Return what `webhook-signature` says of a message with this id, sent at this second."""
    signed = f"{identity}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
