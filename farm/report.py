"""The outbox: what happened to pipelines, told to every reporter in order, each event at least once.

The record queues the events in the scripts that change it, so none is lost; a reporter that fails keeps its own place
in the stream and holds up nobody else. What is told, and where, is the reporter's own business.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from pydantic import ValidationError
from redis import Redis
from redis.exceptions import ResponseError

from farm.definition import Definition
from farm.errors import Refused
from farm.logs import Logs
from farm.pipeline import Pipeline, Status
from farm.record import Record
from farm.reporters import Later, News, Reporter, Useless

OUTBOX = "farm:outbox"
PATIENCE = 24 * 3600.0  # seconds after which news is old; it is left, and said so in the log
LOOK = 1.0  # seconds between two looks into an empty outbox
BACK_OFF = (1.0, 60.0)  # seconds: the first wait, doubled up to the last
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
    _tries: int = field(default=0, init=False)
    _joined: bool = field(default=False, init=False)

    def join(self) -> None:
        """Open the reporter's place in the outbox: it hears of what happens from now on."""
        try:
            self.redis.xgroup_create(OUTBOX, self.reporter.name, id="$", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._joined = True

    def deliver(self) -> float:
        """Tell what is untold until it is all told or the other side wants patience; return the seconds to wait."""
        if not self._joined:
            self.join()
        try:
            while event := self._next():
                identity, fields = event
                try:
                    self._tell(identity, fields)
                except Later as later:
                    if not self._old(identity):
                        return self._wait(later, fields)
                    log.warning("report.given_up", reporter=self.reporter.name, **fields, error=later.sentence)
                except Useless as useless:
                    log.warning("report.refused", reporter=self.reporter.name, **fields, error=str(useless))
                self._tries = 0
                self.redis.xack(OUTBOX, self.reporter.name, identity)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self._joined = False  # Redis began anew
        return LOOK

    def _next(self) -> tuple[str, Mapping[str, str]] | None:
        for begin in ("0", ">"):  # first what was read and not acknowledged
            answer: Any = self.redis.xreadgroup(self.reporter.name, _CONSUMER, {OUTBOX: begin}, count=1)
            if answer and (entries := answer[0][1]):
                identity, fields = entries[0]
                return identity, fields or {}  # nothing is left of an event that retention took
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
        broken = (Status.FAILED, Status.ERRORED)
        step = next((job.name for stage in pipeline.stages for job in stage.jobs if job.status in broken), None)
        tail = self.source.tail(number, step, TAIL) if step else ()
        words = {word: fields[word] for word in _WORDS if word in fields}
        before = int(fields["before"]) if fields.get("before") else None
        return News(
            pipeline=pipeline, when=self.source.when(number), tail=tuple(tail), id=identity, before=before, **words
        )

    def _wait(self, later: Later, fields: Mapping[str, str]) -> float:
        first, longest = BACK_OFF
        wait = later.seconds if later.seconds is not None else min(longest, first * 2**self._tries)
        if not self._tries:
            log.warning("report.later", reporter=self.reporter.name, **fields, error=later.sentence)
        self._tries += 1
        return wait

    def _old(self, identity: str) -> bool:
        seconds, _ = self.redis.time()
        return seconds - int(identity.split("-", maxsplit=1)[0]) / 1000 > PATIENCE


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
