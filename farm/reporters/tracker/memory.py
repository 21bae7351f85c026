"""What a tracker was told of each commit's stories, in Redis, so that each commit counts once. It asks no tracker.

`farm:stories:<reporter>:<repository>` holds for each `<commit> <story>` how far it has come; half a year after it was
last touched it goes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from redis import Redis

from farm import clock
from farm.reporters.tracker import Act, Mention

KEPT = 180 * 86400.0  # seconds


class Stage(StrEnum):
    """How far a story has come by one commit."""

    NEW = "new"
    NAMED = "named"
    FINISHED = "finished"
    DELIVERED = "delivered"
    LEFT = "left"
    """The tracker would not have it; it is not asked again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One story in one commit."""

    commit: str
    mention: Mention
    stage: Stage = Stage.NEW
    learned: float = 0.0
    touched: float = 0.0

    @property
    def field(self) -> str:
        """Return its name in Redis."""
        return f"{self.commit} {self.mention.story}"


class Memory:
    """What one reporter remembers."""

    def __init__(self, database: Redis, reporter: str) -> None:
        self._redis: Any = database
        self._reporter = reporter

    def learn(self, repository: str, commit: str, mentions: Sequence[Mention]) -> None:
        """Remember the stories of a commit, unless the commit is known, from whichever branch."""
        for mention in mentions:
            now = clock.now(self._redis)
            entry = Entry(commit, mention, learned=now, touched=now)
            self._redis.hsetnx(self._key(repository), entry.field, _written(entry))

    def move(self, repository: str, entry: Entry, stage: Stage) -> None:
        """Remember how far a story has come."""
        moved = replace(entry, stage=stage, touched=clock.now(self._redis))
        self._redis.hset(self._key(repository), moved.field, _written(moved))

    def entries(self, repository: str) -> Sequence[Entry]:
        """Return what is remembered of a repository, in the order it was learned; what is old is forgotten."""
        found: list[Entry] = []
        old: list[Entry] = []
        now = clock.now(self._redis)
        for field, text in self._redis.hgetall(self._key(repository)).items():
            entry = _read(field, json.loads(text))
            (old if now - entry.touched > KEPT else found).append(entry)
        if old:
            self._redis.hdel(self._key(repository), *(entry.field for entry in old))
        return sorted(found, key=lambda entry: entry.learned)

    def _key(self, repository: str) -> str:
        return f"farm:stories:{self._reporter}:{repository}"


def _written(entry: Entry) -> str:
    document = asdict(entry.mention)
    del document["story"]
    return json.dumps(document | {"stage": entry.stage, "learned": entry.learned, "touched": entry.touched})


def _read(field: str, document: Mapping[str, Any]) -> Entry:
    commit, _, story = field.partition(" ")
    mention = Mention(story, Act(document["act"]), document.get("word", ""))
    return Entry(commit, mention, Stage(document["stage"]), document["learned"], document["touched"])
