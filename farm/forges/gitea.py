"""Webhooks of Gitea. They are GitHub's in many words and differ in some; the signature covers the body alone."""

from collections.abc import Sequence
from hashlib import sha256

from farm.forges.signature import hexadecimal
from farm.forges.values import (
    ADVICE,
    UNKNOWN,
    Document,
    Headers,
    Ignored,
    Message,
    Moved,
    Proposed,
    optional,
    text,
    whole,
)

NAME = "gitea"
WORD = "Gitea"

_FRESH = ("opened", "reopened", "synchronized", "synchronize")
_PUSH = "a `push` tells it with both commits; what none tells, the farm finds when it asks the repository"
_TALK = "it tells of words, not of commits"
_FACTS = "it tells of the repository and its people, not of commits"
_ELSEWHERE = "it tells of automation and products of the forge's own"
IGNORED = {
    **dict.fromkeys(("create", "delete"), _PUSH),
    **dict.fromkeys(
        (
            "issues",
            "issue_assign",
            "issue_label",
            "issue_milestone",
            "issue_comment",
            "pull_request_assign",
            "pull_request_label",
            "pull_request_milestone",
            "pull_request_comment",
            "pull_request_approved",
            "pull_request_rejected",
            "pull_request_review",
            "pull_request_review_approved",
            "pull_request_review_rejected",
            "pull_request_review_comment",
            "pull_request_review_request",
            "wiki",
        ),
        _TALK,
    ),
    **dict.fromkeys(("fork", "repository"), _FACTS),
    **dict.fromkeys(
        (
            "release",
            "package",
            "status",
            "schedule",
            "workflow_dispatch",
            "workflow_run",
            "workflow_job",
            "action_run_failure",
            "action_run_recover",
            "action_run_success",
        ),
        _ELSEWHERE,
    ),
}
"""Every other event of Gitea and Forgejo, and why it makes no pipeline."""


def event(headers: Headers) -> str:
    """Return the name of the event."""
    return _first(headers, "Event")


def doubt(headers: Headers, body: bytes, secret: str, now: float) -> str | None:  # noqa: ARG001 - no time is signed
    """Return why the body cannot be taken for the forge's."""
    given = _first(headers, "Signature")
    if not given:
        return f"there is no X-{WORD}-Signature; {ADVICE}"
    if not hexadecimal(secret, body, given):
        return f"X-{WORD}-Signature does not fit; {ADVICE}"
    return None


def identities(headers: Headers, body: bytes) -> Sequence[str]:
    """Return the delivery's id, and the body's digest, for the id itself is not signed."""
    return tuple(filter(None, (_first(headers, "Delivery"), sha256(body).hexdigest())))


def project(document: Document) -> str:
    """Return `owner/name`."""
    return optional(document, "repository", "full_name")


def read(event: str, document: Document) -> Message:
    """Return what an event tells. There is no ping: "Test Delivery" sends the newest commit as a push from itself."""
    if event == "push":
        return _push(document)
    if event in ("pull_request", "pull_request_sync"):
        return _pull_request(document)
    return Ignored(f"`{event}`: {IGNORED.get(event, UNKNOWN)}")


def _push(document: Document) -> Message:
    old, new = text(document, "before"), text(document, "after")
    if old == new:
        return Ignored("a test delivery: nothing has moved")
    who = optional(document, "pusher", "login") or optional(document, "pusher", "username")
    return Moved(text(document, "ref"), old, new, who)


def _pull_request(document: Document) -> Message:
    action, number = text(document, "action"), whole(document, "number")
    if action not in _FRESH:
        return Ignored(f"pull request {number} {action}: it has no new commits")
    who, head = optional(document, "sender", "login"), ("pull_request", "head")
    source = optional(document, *head, "repo", "full_name")
    fork = source.lower() != text(document, "pull_request", "base", "repo", "full_name").lower()
    # Whoever may read can push to refs/for/<branch> (AGit): the forge names this repository, but no branch of it.
    if not fork and optional(document, *head, "ref").startswith("refs/"):
        fork, source = True, f"{who}, who has no branch there"
    commit = text(document, *head, "sha")
    return Proposed(number, f"refs/pull/{number}/head", commit, source, fork=fork, who=who)


def _first(headers: Headers, name: str) -> str:
    """Return a header of Forgejo, else of Gitea; where the first is there the second cannot save it."""
    return headers.get(f"X-Forgejo-{name}") or headers.get(f"X-Gitea-{name}") or ""
