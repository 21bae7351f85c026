"""Webhooks of GitLab: with a token in a header, or signed as Standard Webhooks asks (`webhook-signature`)."""

import re
from collections.abc import Sequence
from hashlib import sha256

from farm.forges.signature import PREFIX, equal, fresh, standard
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

NAME = "gitlab"
TOKEN = "X-Gitlab-Token"  # noqa: S105 - a header's name

_TALK = "it tells of words, not of commits"
_CHECKS = "it tells of GitLab's own pipelines"
_FACTS = "it tells of the project's settings and people, not of commits"
IGNORED = {
    **dict.fromkeys(
        (
            "Issue Hook",
            "Confidential Issue Hook",
            "Work Item Hook",
            "Note Hook",
            "Confidential Note Hook",
            "Wiki Page Hook",
            "Emoji Hook",
            "Milestone Hook",
        ),
        _TALK,
    ),
    **dict.fromkeys(("Pipeline Hook", "Job Hook", "Build Hook", "Deployment Hook"), _CHECKS),
    **dict.fromkeys(
        (
            "Feature Flag Hook",
            "Release Hook",
            "Resource Access Token Hook",
            "Resource Deploy Token Hook",
            "Vulnerability Hook",
            "Member Hook",
            "Subgroup Hook",
            "Project Hook",
        ),
        _FACTS,
    ),
}
"""Every other event that GitLab documents, and why it makes no pipeline."""
_SYSTEM = {"push": "Push Hook", "tag_push": "Tag Push Hook", "merge_request": "Merge Request Hook"}
_FRESH = ("open", "reopen")


def event(headers: Headers) -> str:
    """Return the name of the event."""
    return headers.get("X-Gitlab-Event", "")


def doubt(headers: Headers, body: bytes, secret: str, now: float) -> str | None:
    """Return why the body cannot be taken for GitLab's; a signing token never counts as a plain one."""
    if given := headers.get("webhook-signature"):
        identity, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not standard(secret, identity, timestamp, body, given):
            return f"webhook-signature does not fit; {ADVICE}"
        if not fresh(timestamp, now):
            return "webhook-timestamp is more than five minutes off; set the clocks of GitLab and of this machine"
        return None
    if secret.startswith(PREFIX):
        return f"there is no webhook-signature; {ADVICE} as its signing token"
    given = headers.get(TOKEN, "")
    if not given:
        return f"there is neither webhook-signature nor {TOKEN}; {ADVICE}"
    return None if equal(secret, given) else f"{TOKEN} does not fit; {ADVICE}"


def identities(headers: Headers, body: bytes) -> Sequence[str]:
    """Return the delivery's id, which stays when it is sent again; an old GitLab gives none, then it is the body."""
    for name in ("webhook-id", "Idempotency-Key", "X-Gitlab-Webhook-UUID"):
        if given := headers.get(name):
            return (given,)
    return (sha256(body).hexdigest(),)


def project(document: Document) -> str:
    """Return the project's path with its groups."""
    return optional(document, "project", "path_with_namespace")


def read(event: str, document: Document) -> Message:
    """Return what an event tells. GitLab has no ping: its test button sends an event made of the newest commits."""
    if event == "System Hook":
        event = _SYSTEM.get(optional(document, "event_name") or optional(document, "object_kind"), "Project Hook")
    if event in ("Push Hook", "Tag Push Hook"):
        who = optional(document, "user_username") or optional(document, "user_name")
        return Moved(text(document, "ref"), text(document, "before"), text(document, "after"), who)
    if event == "Merge Request Hook":
        return _merge_request(document)
    return Ignored(f"`{event}`: {IGNORED.get(event, UNKNOWN)}")


def _merge_request(document: Document) -> Message:
    attributes = "object_attributes"
    number, action = whole(document, attributes, "iid"), optional(document, attributes, "action") or "test"
    # An update has an oldrev when commits came, and only then.
    moved = action == "update" and re.fullmatch(r"[0-9a-f]{40,64}", optional(document, attributes, "oldrev"))
    if action not in _FRESH and not moved:
        return Ignored(f"merge request {number} {action}: it has no new commits")
    source = optional(document, attributes, "source", "path_with_namespace")
    ids = whole(document, attributes, "source_project_id"), whole(document, attributes, "target_project_id")
    return Proposed(
        number=number,
        ref=f"refs/merge-requests/{number}/head",
        commit=text(document, attributes, "last_commit", "id"),
        source=source,
        fork=ids[0] != ids[1],
        who=optional(document, "user", "username"),
    )
