"""Who may ask the dispatcher for what: the farm's own token for everything, the others within their scopes.

A hook's token pushes for its repository and reads it. Of all but the farm's own only the hash is kept, in Redis. It
knows tokens and no users.
"""

import hmac
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from farm.errors import Refused
from farm.ledger import Ledger

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Scope(StrEnum):
    """What a token is good for. `admin` is the farm's own token's alone and is never given away."""

    PUSH = "push"
    READ = "read"
    ACT = "act"
    ADMIN = "admin"


GIVEN = (Scope.PUSH, Scope.READ, Scope.ACT)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever sent a token: what the token is good for, and where. Without a repository it is good for all of them."""

    name: str
    scopes: Collection[Scope]
    repository: str | None = None

    @property
    def owns(self) -> bool:
        """Whether it is the farm's own token."""
        return Scope.ADMIN in self.scopes

    def reaches(self, repository: str | None) -> bool:
        """Return whether the token is good for a repository, or with None for all of the farm."""
        return self.repository is None or self.repository == repository

    def acting(self, who: str | None) -> str:
        """Return the name under which an act is recorded; only the farm's own token is believed who sends it."""
        return who or self.name if self.owns else self.name


@dataclass(frozen=True, slots=True)
class NamedToken:
    """What is known of a named token, which does not include the token."""

    name: str
    scopes: Sequence[Scope]
    repository: str | None
    created: float  # Unix s
    expires: float | None  # Unix s
    who: str  # gave it

    def document(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return asdict(self) | {"scopes": [str(scope) for scope in self.scopes]}


@dataclass(frozen=True, slots=True)
class Access:
    """Knows tokens, in a time that says nothing about them. Without a token of its own the farm lets nobody in."""

    token: str
    ledger: Ledger

    def holder(self, token: str) -> Holder:
        """Return who sends a token; Refused for one that is unknown or has ended."""
        if self.token and hmac.compare_digest(token.encode(), self.token.encode()):
            return Holder("farm", frozenset(Scope))
        kept = hashed(token)  # of a long random word; whoever measures how it is looked up learns only of hashes
        if fields := self.ledger.redis.hgetall(f"farm:token:{kept}"):
            named = _read(fields)
            if named.expires is not None and named.expires <= self.ledger.now():
                raise Refused(f"the token {named.name} has ended; `farm token create` makes another")
            return Holder(named.name, frozenset(named.scopes), named.repository)
        if repository := self.ledger.hook_owner(kept):
            return Holder(f"hook of {repository}", frozenset({Scope.PUSH, Scope.READ}), repository)
        raise Refused("the farm does not know this token; send its own, one of `farm token create`, or a hook's")

    def create(
        self, name: str, scopes: Collection[Scope], *, repository: str | None, lasts: float | None, who: str
    ) -> str:
        """Make a named token and return it, this once; `lasts` says for how many seconds it is good, None for ever."""
        if not _NAME.fullmatch(name):
            raise Refused(f"{name!r} is no name for a token; use at most 64 letters, digits, dots and dashes")
        given = [scope for scope in GIVEN if scope in scopes]
        if not given or len(given) != len(set(scopes)):
            raise Refused(f"a token is good for some of {', '.join(GIVEN)}; give one scope at least")
        if repository is not None:
            self.ledger.repository(repository)
        token = f"farm-token-{secrets.token_urlsafe(32)}"
        expires = "" if lasts is None else f"{self.ledger.now() + lasts:.6f}"
        row = (name, hashed(token), " ".join(given), repository or "", expires, who)
        if not self.ledger.scripts.run("token_add", *row):
            raise Refused(
                f"there is a token {name} already; `farm token remove {name}` ends it, or choose another name"
            )
        return token

    def tokens(self) -> list[NamedToken]:
        """Return the named tokens by name, also those that have ended."""
        redis = self.ledger.redis
        rows = (redis.hgetall(f"farm:token:{kept}") for _, kept in sorted(redis.hgetall("farm:tokens").items()))
        return [_read(fields) for fields in rows if fields]

    def remove(self, name: str) -> None:
        """End a named token."""
        if not self.ledger.scripts.run("token_remove", name):
            raise Refused(f"there is no token {name}; `farm token list` shows those that there are")


def new_token() -> str:
    """Return a token for a hook; it begins with a word by which scanners of leaked secrets can know it."""
    return f"farm-hook-{secrets.token_urlsafe(32)}"


def hashed(token: str) -> str:
    """Return what is kept of a token; it is random and long, so a plain hash is enough."""
    return sha256(token.encode()).hexdigest()


def _read(fields: Mapping[str, str]) -> NamedToken:
    return NamedToken(
        name=fields["name"],
        scopes=[scope for scope in GIVEN if scope in fields["scopes"].split()],
        repository=fields["repository"] or None,
        created=float(fields["created"]),
        expires=float(fields["expires"]) if fields["expires"] else None,
        who=fields["who"],
    )
