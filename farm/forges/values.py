"""What a webhook of a forge tells, whichever forge it is. It says nothing about what the farm makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Headers = Mapping[str, str]
"""The headers of a request, found whatever the case of their names."""
Document = Mapping[str, Any]

UNKNOWN = "the farm does not know this event, and makes pipelines of pushes and pull requests alone"
"""Why an event that a forge does not document, or not yet, is ignored: a forge may switch off a webhook that fails."""


ADVICE = "give the webhook the secret that the farm has for this repository"


class Malformed(Exception):
    """A delivery that is not what the forge documents; its text is one sentence for whoever set it up."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One ref that moved; zeros stand for a ref that was not there before, or is gone."""

    ref: str
    old: str
    new: str
    who: str = ""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A pull request (GitLab: merge request) with new commits, by the ref under which the forge keeps its head."""

    number: int
    ref: str
    commit: str
    source: str
    """The project that the commits come from, "" where it is gone; another than the asked one is a fork."""
    fork: bool
    who: str = ""


@dataclass(frozen=True, slots=True)
class Ping:
    """The forge asks whether anybody is there."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that the farm knows and has no use for, and why."""

    reason: str


Message = Moved | Proposed | Ping | Ignored


class Forge(Protocol):
    """How one kind of forge sends its webhooks; each is a module of functions without effects."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """Its name in the webhook's URL and in farm.yml."""

    def event(self, headers: Headers) -> str:
        """Return the name of the event, "" where the request has none."""

    def doubt(self, headers: Headers, body: bytes, secret: str, now: float) -> str | None:
        """Return why the body cannot be taken for the forge's, or None when it was signed with the secret."""

    def identities(self, headers: Headers, body: bytes) -> Sequence[str]:
        """Return by what a repeated delivery is known; only what the forge's signature covers cannot be forged."""

    def project(self, document: Document) -> str:
        """Return the full name of the repository on the forge, "" where the event is about none."""

    def read(self, event: str, document: Document) -> Message:
        """Return what the event tells; raises Malformed for what the forge does not document."""


def text(document: Document, *path: str) -> str:
    """Return the text at a path; raises Malformed where there is none."""
    found: Any = document
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, str) or not found:
        raise Malformed(f"the event has no text {'.'.join(path)}; is this URL that of the right forge?")
    return found.encode("utf-8", "replace").decode()  # JSON can hold halves of characters, which nobody can write


def optional(document: Document, *path: str) -> str:
    """Return the text at a path, "" where there is none."""
    try:
        return text(document, *path)
    except Malformed:
        return ""


def whole(document: Document, *path: str) -> int:
    """Return the whole positive number at a path; raises Malformed where there is none."""
    found: Any = document
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, int) or isinstance(found, bool) or found <= 0:
        raise Malformed(f"the event has no number {'.'.join(path)}; is this URL that of the right forge?")
    return found
