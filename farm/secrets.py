"""Secrets of repositories: sealed in Redis, and opened by whoever holds a key of the farm. It masks nothing.

A value is sealed by AES-256-GCM together with its repository, its name and whether every ref is given it, so that none
of these can be changed or exchanged in Redis. The head writes; the hands only read.
"""

import hashlib
import json
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from farm.definition.names import is_secret
from farm.errors import Errored, Failed, Refused
from farm.refs import short

SHORTEST = 4  # characters; what is shorter is part of any text, so it could not be masked
LONGEST = 64 << 10  # bytes; the kernel takes 128 KiB for one variable
_NONCE = 12  # bytes


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """What may be seen of a secret: all but its value. `changed` is in Unix seconds."""

    name: str
    unprotected: bool
    """Whether refs that are not protected are given it too."""
    who: str
    changed: float


class Secrets:
    """The secrets of all repositories, over a `redis.Redis` with decode_responses=True.

    Each key is 64 hex digits; the first seals, all open. Without any only names are known.
    """

    def __init__(self, client: Any, keys: Sequence[str] = ()) -> None:
        self.redis = client
        self._keys = {_fingerprint(key): bytes.fromhex(key) for key in keys}

    def set(self, repository: str, name: str, value: str, *, unprotected: bool, who: str) -> SecretInfo:
        """Seal a value under a name, in place of an earlier one; Refused says what is wrong with either."""
        check(name, value)
        secret = SecretInfo(name, unprotected, who, time.time())
        self.redis.hset(_place(repository), name, self._sealed(repository, secret, value))
        return secret

    def list(self, repository: str) -> list[SecretInfo]:
        """Return what may be seen of a repository's secrets, by name."""
        kept = self.redis.hgetall(_place(repository))
        return [_seen(name, json.loads(kept[name])) for name in sorted(kept)]

    def names(self, repository: str) -> frozenset[str]:
        """Return the names of a repository's secrets."""
        return frozenset(self.redis.hkeys(_place(repository)))

    def remove(self, repository: str, name: str) -> None:
        """Forget a secret; Refused if there is none of this name."""
        if not self.redis.hdel(_place(repository), name):
            raise Refused(f"{repository} has no secret {name}; `farm secret list {repository}` shows those that it has")

    def given(self, repository: str, names: Collection[str], ref: str, *, protected: bool) -> dict[str, str]:
        """Return the values that a push of this ref is given, by name.

        Failed: there is no such secret, or only protected refs are given it. Errored: no key here opens it.
        """
        return {name: self._given(repository, name, ref, protected=protected) for name in names}

    def counted(self) -> tuple[int, int]:
        """Return how many secrets there are in all, and how many of them no key here opens."""
        keys = [json.loads(kept)["key"] for at in self._places() for kept in self.redis.hvals(at)]
        return len(keys), sum(key not in self._keys for key in keys)

    def _places(self) -> Iterator[str]:
        yield from self.redis.scan_iter(match=_place("*"))

    def reseal(self) -> int:
        """Seal again with the first key whatever an older one has sealed, and return how many that were."""
        count = 0
        for place in self._places():
            repository = place.removeprefix(_place(""))
            for name in self.redis.hkeys(place):
                count += int(self.redis.transaction(self._resealing(repository, name), place, value_from_callable=True))
        return count

    def _resealing(self, repository: str, name: str) -> Any:
        def act(pipe: Any) -> bool:
            kept = json.loads(pipe.hget(_place(repository), name) or "{}")
            if not kept or kept["key"] == next(iter(self._keys), None):
                return False
            secret = _seen(name, kept)
            sealed = self._sealed(repository, secret, self._opened(repository, secret, kept))
            pipe.multi()
            pipe.hset(_place(repository), name, sealed)
            return True

        return act

    def _given(self, repository: str, name: str, ref: str, *, protected: bool) -> str:
        text = self.redis.hget(_place(repository), name)
        if text is None:
            raise Failed(f"{repository} has no secret {name}; `farm secret set {repository} {name}`, then retry")
        kept = json.loads(text)
        secret = _seen(name, kept)
        value = self._opened(repository, secret, kept)
        if not (protected or secret.unprotected):
            raise Failed(
                f"the secret {name} is only given on protected refs, and {short(ref)} is none; let it run on those"
                f" alone (`when`), or give it to every ref: farm secret set {repository} {name} --unprotected"
            )
        return value

    def _sealed(self, repository: str, secret: SecretInfo, value: str) -> str:
        if not self._keys:
            raise Refused(
                "the farm has no key for secrets; `farm up --stop` and `farm up` choose one, or set FARM_SECRET_KEYS"
            )
        (fingerprint, key), nonce = next(iter(self._keys.items())), os.urandom(_NONCE)
        sealed = AESGCM(key).encrypt(nonce, value.encode(), _bound(repository, secret))
        return json.dumps(
            {
                "key": fingerprint,
                "nonce": b64encode(nonce).decode(),
                "sealed": b64encode(sealed).decode(),
                "unprotected": secret.unprotected,
                "who": secret.who,
                "changed": secret.changed,
            }
        )

    def _opened(self, repository: str, secret: SecretInfo, kept: Any) -> str:
        key = self._keys.get(kept["key"])
        if key is None:
            raise Errored(
                f"no key on this machine opens the secret {secret.name} of {repository}; copy join.env of the farm here"
                " once more and run `farm join`, or set FARM_SECRET_KEYS"
            )
        try:
            nonce, sealed = b64decode(kept["nonce"]), b64decode(kept["sealed"])
            return AESGCM(key).decrypt(nonce, sealed, _bound(repository, secret)).decode()
        except (InvalidTag, ValueError):
            raise Errored(
                f"the secret {secret.name} of {repository} was changed in Redis, and not by the farm; set it again, and"
                " find out who writes there"
            ) from None


def text(data: bytes) -> str:
    """Return the value that a file or a pipe holds: of a single line without its end, of several as they are."""
    try:
        value = data.decode()
    except UnicodeDecodeError:
        raise Refused("a secret is UTF-8 text, as a variable has to be; encode it, such as by base64") from None
    line = value.removesuffix("\n").removesuffix("\r")
    return value if "\n" in line else line


def check(name: str, value: str) -> None:
    """Refuse a name that is no variable's, and a value that could be neither handed over nor masked."""
    if not is_secret(name):
        how = "write letters, digits and _, no digit first, without FARM_ in front, which the farm's own variables have"
        raise Refused(f"{name[:60]!r} is no name of a secret; {how}")
    if len(value) < SHORTEST:
        raise Refused(f"{name} has fewer than {SHORTEST} characters, too few to mask it in logs; choose a longer value")
    if len(value.encode(errors="surrogatepass")) > LONGEST:
        raise Refused(f"{name} is longer than {LONGEST >> 10} KiB; keep it elsewhere, and only the key to it here")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Refused(f"{name} is no UTF-8 text, as a variable has to be; encode it, such as by base64")


def _seen(name: str, kept: Any) -> SecretInfo:
    return SecretInfo(name, bool(kept["unprotected"]), str(kept["who"]), float(kept["changed"]))


def _bound(repository: str, secret: SecretInfo) -> bytes:
    """Return what a value is sealed together with."""
    return json.dumps([repository, secret.name, secret.unprotected]).encode()


def _place(repository: str) -> str:
    return f"farm:secrets:{repository}"


def _fingerprint(key: str) -> str:
    return hashlib.sha256(bytes.fromhex(key)).hexdigest()[:12]
