"""What webhooks told, from the door to the ledger: kept at once, entered when the repository's hook had its time.

A delivery is taken once. What is kept survives the dispatcher; to enter it twice is harmless, by the pushes' ids.
"""

import json
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from threading import Lock

import structlog
from redis.exceptions import RedisError

from farm.errors import Refused
from farm.forges import Moved, Proposed
from farm.intake import Intake
from farm.ledger import Ledger
from farm.push import FORK, Push
from farm.record.values import dumps

GRACE = 30.0  # seconds that the hook of the same repository has to tell the push with its options
MEMORY = 3 * 86400.0  # seconds for which a delivery is known; forges offer to send one again for three days at most
MOST = 100_000  # deliveries that are known at most
LOOK = 1.0
_BATCH = 100
_NAMESPACE = uuid.UUID("6d2bb0f3-6f0b-4d6e-9f0a-0f7c6b0c1f55")

log = structlog.get_logger()


@dataclass(slots=True)
class Webhooks:
    """Keeps and enters what webhooks told. Whether they are whom they say is judged before."""

    ledger: Ledger
    intake: Intake
    grace: float = GRACE
    _entering: Lock = field(default_factory=Lock)

    def take(self, repository: str, identities: Sequence[str], message: Moved | Proposed | None) -> bool:
        """Keep what a delivery tells, None for nothing, and return whether it is new; False keeps nothing."""
        told = ""
        if message:
            kind = "moved" if isinstance(message, Moved) else "proposed"
            told = dumps({"id": identities[0], "repository": repository, "kind": kind, "message": asdict(message)})
        rest = (repository, self.grace, MEMORY, MOST)
        (answer,) = self.ledger.scripts.run("deliver", dumps(list(identities)), told, *rest)
        return bool(answer == "kept")

    def look(self) -> float:
        """Enter what is due and return when to look again."""
        with self._entering:
            for told in self.ledger.scripts.run("held", _BATCH):
                self._enter(told)
                self.ledger.redis.zrem("farm:held", told)
        return LOOK

    def soon(self) -> None:
        """Enter what is due, after an answer was given; what fails now the loop does again."""
        with suppress(RedisError):
            self.look()

    def _enter(self, told: str) -> None:
        repository = ""
        try:
            document = json.loads(told)
            repository, fields = document["repository"], document["message"]
            if document["kind"] == "moved":
                push = _push(repository, Moved(**fields), document["id"])
            else:
                push = self._head(repository, Proposed(**fields))
            (entry,) = self.ledger.enter(repository, [push])
        except (Refused, KeyError, TypeError, ValueError) as error:  # also what another version of the farm has kept
            log.warning("webhook.refused", repository=repository, error=str(error), told=told)
            return
        if not entry.known:
            log.info("webhook.entered", pipeline=entry.number, repository=repository, ref=push.ref, who=push.who)
            self.intake.take(repository, entry.number)

    def _head(self, repository: str, proposed: Proposed) -> Push:
        """Return how the head of a pull request moved; the same commit is one push, however often it is proposed."""
        zeros = "0" * len(proposed.commit)
        was = self.ledger.tips(repository).get(proposed.ref, zeros)
        moved = Moved(proposed.ref, zeros if was == proposed.commit else was, proposed.commit, proposed.who)
        push = _push(repository, moved, f"{repository} {proposed.commit}")
        return replace(push, options=(f"{FORK}{proposed.source}",)) if proposed.fork else push


def _push(repository: str, moved: Moved, identity: str) -> Push:
    unique = str(uuid.uuid5(_NAMESPACE, f"{identity} {moved.ref}"))
    return Push(unique, repository, moved.ref, moved.old, moved.new, moved.who, source="webhook")
