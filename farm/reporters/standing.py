"""How a reporter stands with the outbox: how far behind it is, and what was not taken. It tells nothing."""

from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from farm import clock

OUTBOX = "farm:outbox"


@dataclass(frozen=True, slots=True)
class Standing:
    """What `farm doctor` says of a reporter: `age` is that of its oldest untold event, in seconds."""

    joined: bool
    behind: int = 0
    age: float = 0.0
    waiting: str = ""
    """Why the oldest untold event could not be told yet."""
    refused: int = 0
    given_up: int = 0
    lost: str = ""
    """Why the last one was refused or given up."""
    since: float = 0.0
    """Seconds since then."""


class Book:
    """What is written down of one reporter in Redis, under `farm:reporter:<name>`."""

    def __init__(self, database: Redis, name: str) -> None:
        self._redis: Any = database
        self._name = name
        self._key = f"farm:reporter:{name}"

    def waits(self, sentence: str) -> None:
        """Write down that the other side is away or asks for patience."""
        self._redis.hset(self._key, "waiting", sentence)

    def goes_on(self) -> None:
        """Write down that it takes news again."""
        self._redis.hdel(self._key, "waiting")

    def loses(self, how: str, sentence: str) -> None:
        """Count an event that was `refused` by the other side, or `given_up` after a day."""
        self._redis.hincrby(self._key, how, 1)
        self._redis.hset(self._key, mapping={"lost": sentence, "at": clock.now(self._redis)})

    def clear(self) -> None:
        """Forget what was lost, for somebody has seen that the other side takes news again."""
        self._redis.delete(self._key)

    def read(self) -> Standing:
        """Return how the reporter stands now; not joined when no dispatcher ever opened its place in the outbox."""
        try:
            groups = {group["name"]: group for group in self._redis.xinfo_groups(OUTBOX)}
        except ResponseError:  # there is no outbox yet
            groups = {}
        if self._name not in groups:
            return Standing(joined=False)
        group = groups[self._name]
        now = clock.now(self._redis)
        pending = self._redis.xpending(OUTBOX, self._name)
        following = self._redis.xrange(OUTBOX, min=f"({group['last-delivered-id']}", count=1)
        oldest = pending["min"] or (following[0][0] if following else None)
        lag = group.get("lag")
        if lag is None:  # Redis cannot tell once events were trimmed
            lag = len(self._redis.xrange(OUTBOX, min=f"({group['last-delivered-id']}", count=10_000))
        fields = self._redis.hgetall(self._key)
        return Standing(
            joined=True,
            behind=pending["pending"] + lag,
            age=max(0.0, now - int(oldest.split("-")[0]) / 1000) if oldest else 0.0,
            waiting=fields.get("waiting", ""),
            refused=int(fields.get("refused", 0)),
            given_up=int(fields.get("given_up", 0)),
            lost=fields.get("lost", ""),
            since=max(0.0, now - float(fields.get("at", now))),
        )
