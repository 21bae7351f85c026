"""How each forge is told the status of a commit: where, in which words, and within which bounds. It sends nothing.

By GitHub's "REST API endpoints for commit statuses", GitLab's "Commits API" and Gitea's and Forgejo's own API pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from farm.pipeline import Status

PUBLIC = {"github": "https://api.github.com", "gitlab": "https://gitlab.com/api/v4"}
_PATHS = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1", "forgejo": "/api/v1"}
_DESCRIPTION = {"github": 140, "gitlab": 255, "gitea": 255, "forgejo": 255}  # characters

# What never ran is no success; GitHub and Gitea have no other word for it than error.
_OURS = {
    Status.PENDING: "pending",
    Status.RUNNING: "pending",
    Status.PASSED: "success",
    Status.FAILED: "failure",
    Status.ERRORED: "error",
    Status.CANCELED: "error",
    Status.SKIPPED: "error",
    Status.SUPERSEDED: "error",
}
_GITLAB = {
    Status.PENDING: "pending",
    Status.RUNNING: "running",
    Status.PASSED: "success",
    Status.FAILED: "failed",
    Status.ERRORED: "failed",
    Status.CANCELED: "canceled",
    Status.SKIPPED: "canceled",
    Status.SUPERSEDED: "canceled",
}


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """What is said of a commit under one name; `ref` is a branch or tag, "" for another ref."""

    commit: str
    context: str
    status: Status
    description: str
    link: str
    ref: str = ""


def address(kind: str, url: str | None) -> str:
    """Return the base of a forge's API by where people see it; "" where that must be said and is not."""
    return url.rstrip("/") + _PATHS[kind] if url else PUBLIC.get(kind, "")


def request(kind: str, base: str, project: str, told: CommitStatus) -> tuple[str, Mapping[str, Any]]:
    """Return the URL to post to and the JSON body."""
    description = shortened(told.description, _DESCRIPTION[kind])
    if kind == "gitlab":
        body = {
            "state": _GITLAB[told.status],
            "name": told.context,
            "target_url": told.link,
            "description": description,
        }
        place = f"{base}/projects/{quote(project, safe='')}/statuses/{told.commit}"
        return place, body | ({"ref": told.ref} if told.ref else {})
    body = {
        "state": _OURS[told.status],
        "context": told.context,
        "target_url": told.link,
        "description": description,
    }
    return f"{base}/repos/{quote(project)}/statuses/{told.commit}", body


def headers(kind: str, token: str) -> Mapping[str, str]:
    """Return the headers that prove who asks."""
    if kind == "gitlab":
        return {"PRIVATE-TOKEN": token}
    if kind == "github":
        return {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
    return {"Authorization": f"token {token}"}


def shortened(text: str, most: int) -> str:
    """Return the text on one line, cut where it is too long."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
