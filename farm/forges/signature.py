"""Signatures of webhooks, compared in a time that says nothing about the secret. It knows no forge's headers."""

import base64
import binascii
import hmac
from hashlib import sha256

TOLERANCE = 300.0  # seconds that a signed time may differ from ours, as Standard Webhooks advises
PREFIX = "whsec_"


def hexadecimal(secret: str, body: bytes, given: str) -> bool:
    """Return whether `given` is the HMAC-SHA256 of the body in hexadecimal digits."""
    return equal(hmac.new(secret.encode(), body, sha256).hexdigest(), given)


def standard(secret: str, identity: str, timestamp: str, body: bytes, given: str) -> bool:
    """Return whether one of the signatures `v1,<base64>` is that of Standard Webhooks; the time is not judged here."""
    own = sign(_key(secret), identity, timestamp, body)
    fits = [equal(own, each) for each in given.split()]
    return any(fits)


def sign(key: bytes, identity: str, timestamp: str, body: bytes) -> str:
    """Return what `webhook-signature` says of a message with this id, sent at this second."""
    signed = b".".join((identity.encode(), timestamp.encode(), body))
    return f"v1,{base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()}"


def fresh(timestamp: str, now: float) -> bool:
    """Return whether a time in Unix seconds is close enough to now."""
    return timestamp.isascii() and timestamp.isdigit() and abs(now - int(timestamp[:12])) <= TOLERANCE


def equal(own: str, given: str) -> bool:
    """Compare two texts, a stranger's among them."""
    return hmac.compare_digest(own.encode(), given.encode("utf-8", "surrogatepass"))


def _key(secret: str) -> bytes:
    """Return the bytes that a secret stands for: those of its base64 with the usual prefix, else its own."""
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()
