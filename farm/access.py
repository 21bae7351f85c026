"""Who may ask the dispatcher for what: the farm's own token for everything, a hook's for its repository alone.

Of a hook's token only the hash is kept, in Redis. It checks tokens and knows no users.
"""

import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256

from farm.errors import Refused
from farm.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Access:
    """Compares tokens, in a time that says nothing about them. Without a token of its own the farm lets nobody in."""

    token: str
    ledger: Ledger

    def everything(self, token: str) -> bool:
        """Return whether this is the farm's own token."""
        return bool(self.token) and hmac.compare_digest(token.encode(), self.token.encode())

    def repository(self, token: str, name: str) -> bool:
        """Return whether the token may push for a repository and read its pipelines."""
        if self.everything(token):
            return True
        try:
            kept = self.ledger.repository(name).token_hash
        except Refused:
            kept = ""
        return hmac.compare_digest(hashed(token), kept)


def new_token() -> str:
    """Return a token for a hook; it begins with a word by which scanners of leaked secrets can know it."""
    return f"farm-hook-{secrets.token_urlsafe(32)}"


def hashed(token: str) -> str:
    """Return what is kept of a token; it is random and long, so a plain hash is enough."""
    return sha256(token.encode()).hexdigest()
