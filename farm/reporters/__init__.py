"""Those who hear of a pipeline, and what they are told. A reporter never changes a pipeline and may fail.

The kinds of news, each with the pipeline it is about:

| kind | when | with |
| --- | --- | --- |
| `created` | a push is in the ledger, or a pipeline that never got steps was retried | |
| `queued` | its steps are known and the first may wait for a worker; again at every retry | |
| `step` | a step began, waits once more, or ended | `step`, its new `status` |
| `finished` | the pipeline is at its end | its `status` |
| `released` | the registry has its image under a tag | `image`, `tag`, `digest`, `who`, `before` |
| `rolledback` | the same, because somebody pointed the tag back | the same |
| `drift` | the registry had something else under a tag than the farm put there | `detail`, `image`, `tag`, `digest` |

A new reporter is a module here and one entry in `farm.reporters.chosen`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from farm.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class News:
    """One event of a pipeline, with the pipeline as it stands when the news is told, which may be later."""

    kind: str
    pipeline: Pipeline
    when: str | None = None
    """What the definition wants told: always, change, failure, never; None where it says nothing."""
    detail: str = ""
    """One sentence that the pipeline does not say; of a `drift` what was found under the tag."""
    tail: Sequence[str] = ()
    """The last lines of the log of the step that failed, as stored."""
    id: str = ""
    """The event's own id, the same each time that the news is told again: milliseconds since 1970, a dash, a count."""
    step: str = ""
    """The step that a `step` is about, such as `build` or `test/unit`."""
    status: str = ""
    """How the step or the pipeline stood at the event: a word of `Status`."""
    image: str = ""
    """The image's repository in the registry, of news about a tag."""
    tag: str = ""
    digest: str = ""
    """What the tag is now, `sha256:...`."""
    who: str = ""
    """Who pushed, retried or rolled back what was released."""
    before: int | None = None
    """The pipeline whose image the tag was before; None for a first release."""


class Later(Exception):
    """The other side is away or asks for patience; the same news is told again, after `seconds` if given.

    Until then everything else waits, too; with `alone` only what else there is of the same pipeline.
    """

    def __init__(self, sentence: str, seconds: float | None = None, *, alone: bool = False) -> None:
        super().__init__(sentence, seconds)
        self.sentence = sentence
        self.seconds = seconds
        self.alone = alone


class Useless(Exception):
    """The other side will never take this news; it is logged, counted for `farm doctor`, and left."""


class Reporter(Protocol):
    """One who is told the news one by one, in order, each at least once. It decides itself what is worth a word."""

    name: str
    kinds: Collection[str]

    def tell(self, news: News) -> None:
        """Pass the news on; raise Later or Useless where that fails. Never called twice at the same time."""


@runtime_checkable
class Testable(Protocol):
    """A reporter that `farm notify test` can try."""

    def test(self) -> str:
        """Send one message that says it is a test; return what the other side answered, raise Later or Useless."""
