"""Stories of a tracker, and what commits do to them. It asks nobody; the other modules do.

A commit can mention a story, finish it (once its tests have passed) and deliver it (once its image is `latest`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from farm.git import Commit


class Act(StrEnum):
    """What a commit asks for a story."""

    MENTION = "mention"
    FINISH = "finish"
    DELIVER = "deliver"


@dataclass(frozen=True, slots=True)
class Mention:
    """One story in the message of a commit."""

    story: str
    """As the tracker knows it: `13378337`, `acme/thyme#12`, `THY-7`."""
    act: Act = Act.MENTION
    word: str = ""
    """With Jira the transition that the commit itself names."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why a story is touched: the commit that names it, and the pipeline that has brought it so far."""

    commit: Commit
    repository: str
    number: int
    link: str
    """The pipeline's page."""

    @property
    def named(self) -> str:
        """The commit in words."""
        return f'commit {self.commit.id[:7]} "{self.commit.subject}"'


class Unheard(Exception):
    """The tracker does not do that to the story; the sentence becomes a line on the pipeline, and nothing else."""


class Tracker(Protocol):
    """One tracker. It may be asked for the same twice, and changes nothing then; raises Unheard and Later."""

    def read(self, message: str, repository: str) -> Sequence[Mention]:
        """Return the stories in the message of a commit, each once, with the most that is asked for it."""

    def announce(self, mentions: Sequence[Mention], occasion: Occasion) -> Sequence[str]:
        """Tell the tracker of a commit that names stories; return a sentence for each that there is something with."""

    def finish(self, mention: Mention, occasion: Occasion) -> None:
        """Say that the tests of the commit have passed."""

    def deliver(self, mention: Mention, occasion: Occasion) -> None:
        """Say that the image with the commit is `latest`."""

    def reopen(self, mention: Mention, occasion: Occasion, who: str) -> None:
        """Say that somebody pointed `latest` back to before the commit."""

    def test(self) -> str:
        """Ask the tracker who the farm is there; return what it says."""
