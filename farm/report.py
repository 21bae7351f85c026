"""The outbox: what happened to pipelines, told to every reporter in order, each event at least once.

The record queues the events in the scripts that change it, so none is lost; a reporter that fails keeps its own place
in the stream and holds up nobody else. What is told, and where, is the reporter's own business.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

import structlog
from pydantic import ValidationError
from redis import Redis
from redis.exceptions import ResponseError

from farm import clock
from farm.definition import Definition
from farm.errors import Refused
from farm.logs import Logs
from farm.pipeline import Pipeline
from farm.record import Record
from farm.reporters import Later, News, Reporter, Useless
from farm.reporters.standing import OUTBOX, Book

PATIENCE = 24 * 3600.0  # seconds after which news is old; it is left, and said so in the log
LOOK = 1.0  # seconds between two looks into an empty outbox
BACK_OFF = (1.0, 60.0)  # seconds: the first wait, doubled up to the last
MOST_HELD = 1000  # events that wait alone; from then on all wait
TAIL = 40  # lines of the log that a reporter may choose from

# One name for whoever holds the loop: what a dead dispatcher had read and not told is found again.
_CONSUMER = "dispatcher"
_WORDS = ("kind", "step", "status", "detail", "image", "tag", "digest", "who")  # of an event, for the news

log = structlog.get_logger()


class Source(Protocol):
    """Where the news comes from: the record, the definition's wish and the log."""

    def pipeline(self, number: int) -> Pipeline:
        """Return how the pipeline stands; raises Refused if it is gone."""

    def when(self, number: int) -> str | None:
        """Return what the definition wants told, None where it says nothing."""

    def tail(self, number: int, step: str, lines: int) -> list[str]:
        """Return the last lines of a step's log."""


@dataclass(slots=True)
class Delivery:
    """Tells one reporter. Only the holder of the reporter's loop may call `deliver`."""

    redis: Redis
    reporter: Reporter
    source: Source
    _book: Book = field(init=False)
    _joined: bool = field(default=False, init=False)
    _again: bool = field(
        default=True, init=False
    )  # something was read and left, perhaps by a dispatcher before this one
    _held: dict[str, float] = field(default_factory=dict, init=False)  # pipeline -> when it may be told of again
    _tries: dict[str, int] = field(default_factory=dict, init=False)  # pipeline, or "" for all -> failures in a row

    def __post_init__(self) -> None:
        self._book = Book(self.redis, self.reporter.name)

    def join(self) -> None:
        """Open the reporter's place in the outbox: it hears of what happens from now on."""
        try:
            self.redis.xgroup_create(OUTBOX, self.reporter.name, id="$", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._joined = True

    def deliver(self) -> float:
        """Tell what is untold, except what has to wait; return the seconds until it is worth calling again."""
        if not self._joined:
            self.join()
        now = monotonic()
        again, self._again = self._again, True  # whatever breaks this round, the next begins with what was read
        try:
            for identity, fields in self._events(now, again=again):
                pipeline = fields.get("pipeline", "")
                if self._held.get(pipeline, 0.0) > now:
                    continue
                if later := self._try(identity, fields):
                    wait = self._wait(later, fields)
                    if not later.alone:
                        return wait
                    self._held[pipeline] = now + wait
                    continue
                self._go_on(pipeline)
                self.redis.xack(OUTBOX, self.reporter.name, identity)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self._joined = False  # Redis began anew
            self._held.clear()
        else:
            self._again = False
        return min([LOOK, *(max(0.0, until - now) for until in self._held.values())])

    def _events(self, now: float, *, again: bool) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Return first what was read and not acknowledged, if some of it is due, then what is new, in order."""
        if again or not self._held or any(until <= now for until in self._held.values()):
            last = "0"  # also what another dispatcher read and left, which had the loop since the last round
            while entries := self._read(last, 100):
                for identity, fields in entries:
                    yield identity, fields or {}  # nothing is left of an event that retention took
                    last = identity
        while not self._held or self.redis.xpending(OUTBOX, self.reporter.name)["pending"] < MOST_HELD:
            entries = self._read(">", 1)
            if not entries:
                return
            yield entries[0][0], entries[0][1] or {}

    def _read(self, begin: str, count: int) -> list[Any]:
        answer: Any = self.redis.xreadgroup(self.reporter.name, _CONSUMER, {OUTBOX: begin}, count=count)
        return list(answer[0][1]) if answer else []

    def _try(self, identity: str, fields: Mapping[str, str]) -> Later | None:
        """Tell one event; return why it has to be told again, None when it is done with."""
        try:
            self._tell(identity, fields)
        except Later as later:
            if not self._old(identity):
                return later
            self._lose("given_up", fields, later.sentence)
        except Useless as useless:
            self._lose("refused", fields, str(useless))
        return None

    def _tell(self, identity: str, fields: Mapping[str, str]) -> None:
        if fields.get("kind") not in self.reporter.kinds:
            return
        try:
            news = self._news(identity, fields)
        except Refused:
            return  # the pipeline is gone, nothing is left to tell
        try:
            self.reporter.tell(news)
        except (Later, Useless):
            raise
        except Exception as error:
            if type(error).__module__.startswith("redis"):
                raise
            log.exception("report.broken", reporter=self.reporter.name, **fields)
            raise Useless(f"{type(error).__name__}: {error}") from error

    def _news(self, identity: str, fields: Mapping[str, str]) -> News:
        number = int(fields["pipeline"])
        pipeline = self.source.pipeline(number)
        step = next((job.name for job in pipeline.jobs if job.broken), None)
        tail = self.source.tail(number, step, TAIL) if step else ()
        words = {word: fields[word] for word in _WORDS if word in fields}
        before = int(fields["before"]) if fields.get("before") else None
        return News(
            pipeline=pipeline, when=self.source.when(number), tail=tuple(tail), id=identity, before=before, **words
        )

    def _wait(self, later: Later, fields: Mapping[str, str]) -> float:
        first, longest = BACK_OFF
        about = fields.get("pipeline", "") if later.alone else ""
        tries = self._tries.get(about, 0)
        if not tries:
            log.warning("report.later", reporter=self.reporter.name, **fields, error=later.sentence)
            self._book.waits(later.sentence)
        self._tries[about] = tries + 1
        return later.seconds if later.seconds is not None else min(longest, first * 2 ** min(tries, 10))

    def _go_on(self, pipeline: str) -> None:
        self._held.pop(pipeline, None)
        waited = [self._tries.pop(about, 0) for about in (pipeline, "")]
        if any(waited) and not self._tries:
            self._book.goes_on()

    def _lose(self, how: str, fields: Mapping[str, str], sentence: str) -> None:
        log.warning("report.lost", how=how, reporter=self.reporter.name, **fields, error=sentence)
        self._book.loses(how, sentence)

    def _old(self, identity: str) -> bool:
        return clock.now(self.redis) - int(identity.split("-", maxsplit=1)[0]) / 1000 > PATIENCE


@dataclass(frozen=True, slots=True)
class Desk:
    """The source of the news: the record, its definitions and the logs."""

    record: Record
    logs: Logs

    def pipeline(self, number: int) -> Pipeline:
        """Return how the pipeline stands; raises Refused if it is gone."""
        return self.record.pipeline(number)

    def when(self, number: int) -> str | None:
        """Return what the definition wants told, None where it says nothing or cannot be read."""
        text = self.record.redis.hget(f"farm:pipeline:{number}", "definition")
        try:
            return Definition.model_validate_json(text).notify.slack if text else None
        except ValidationError:  # another version of the farm wrote it
            return None

    def tail(self, number: int, step: str, lines: int) -> list[str]:
        """Return the last lines of a step's log."""
        kept: deque[str] = deque(maxlen=lines)
        rest = ""
        for piece in self.logs.text(number, step):
            *whole, rest = (rest + piece).split("\n")
            kept.extend(whole)
        return [*kept, rest] if rest else list(kept)
