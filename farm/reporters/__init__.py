"""Those who hear of a pipeline, and what they are told. A reporter never changes a pipeline and may fail."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from farm.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class News:
    """One event of a pipeline, with the pipeline as it stands when the news is told."""

    kind: str
    pipeline: Pipeline
    when: str | None = None
    """What the definition wants told: always, change, failure, never; None where it says nothing."""
    detail: str = ""
    """One sentence that the pipeline does not say; of a `drift` what was found under the tag."""
    tail: Sequence[str] = ()
    """The last lines of the log of the step that failed, as stored."""


class Later(Exception):
    """The other side is away or asks for patience; the same news is told again, after `seconds` if given."""

    def __init__(self, sentence: str, seconds: float | None = None) -> None:
        super().__init__(sentence, seconds)
        self.sentence = sentence
        self.seconds = seconds


class Useless(Exception):
    """The other side will never take this news; it is logged and left."""


class Reporter(Protocol):
    """One who is told the news one by one, in order, each at least once. It decides itself what is worth a word."""

    name: str
    kinds: Collection[str]

    def tell(self, news: News) -> None:
        """Pass the news on; raise Later or Useless where that fails. Never called twice at the same time."""
