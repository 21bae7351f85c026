"""Who may send artifacts: the worker that owns a step, by a word that holds for it alone. It keeps no file."""

import secrets
from hashlib import sha256

from farm.record.scripts import Base
from farm.record.steps import judge
from farm.record.values import Claim, Sent

HOLDS = 3600  # seconds that a grant holds, and so an upload may take


class Grants(Base):
    """Grant an upload, check a grant, list what has expired."""

    def grant(self, claim: Claim, keep: float) -> tuple[str, float]:
        """Return the word that lets this claim send its artifacts once, and when they expire.

        Raises LeaseLost, Canceled.
        """
        word = secrets.token_urlsafe(32)
        answer = self.scripts.run("grant", claim.number, claim.step, claim.fence, _hashed(word), keep, HOLDS)
        judge(claim, answer[0])
        return word, float(answer[1])

    def granted(self, word: str) -> Sent | None:
        """Return what may be sent with this word, None if nothing, or the step has another owner by now."""
        found = self.scripts.run("granted", _hashed(word))
        return Sent(int(found[0]), found[1], int(found[2])) if found else None

    def expired(self, most: int = 100, beyond: int = 0) -> list[Sent]:
        """Return artifacts whose time is over, beyond so many that were over before."""
        rows = self.redis.zrangebyscore("farm:artifacts", "-inf", self.now(), beyond, most)
        return [Sent(int(number), step, int(fence)) for number, fence, step in (row.split(" ", 2) for row in rows)]

    def forget_sent(self, sent: Sent) -> None:
        """Write down that artifacts are gone."""
        self.redis.zrem("farm:artifacts", f"{sent.number} {sent.fence} {sent.step}")


def _hashed(word: str) -> str:
    return sha256(word.encode()).hexdigest()
