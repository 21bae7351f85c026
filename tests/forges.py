"""Webhooks as forges send them: payloads with the fields that they document, and their signatures."""

import base64
import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

A, B, ZERO = "a" * 40, "b" * 40, "0" * 40
PROJECT = "acme/thyme"
SECRET = "not a secret, a test"
SIGNING = "whsec_" + base64.b64encode(b"thirty-two bytes for a test only").decode()

EVENTS = Path(__file__).parent / "unit" / "forge_events"  # what each forge documents, one event a line
NAMES = ("github", "gitlab", "gitea", "forgejo")

Sent = tuple[dict[str, str], bytes]


def body(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode()


def digits(secret: str, sent: bytes) -> str:
    return hmac.new(secret.encode(), sent, sha256).hexdigest()


def github(event: str, document: Mapping[str, Any], delivery: str = "d-1", secret: str = SECRET) -> Sent:
    sent = body(document)
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/0f0f0f0",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Hook-ID": "1",
        "X-Hub-Signature-256": f"sha256={digits(secret, sent)}",
    }, sent


def gitea(event: str, document: Mapping[str, Any], delivery: str = "d-1", secret: str = SECRET) -> Sent:
    sent = body(document)
    kind = "pull_request" if event.startswith("pull_request_sync") else event
    return {
        "Content-Type": "application/json",
        "X-Gitea-Delivery": delivery,
        "X-Gitea-Event": kind,
        "X-Gitea-Event-Type": event,
        "X-Gitea-Signature": digits(secret, sent),
        "X-Hub-Signature-256": f"sha256={digits(secret, sent)}",
        "X-GitHub-Event": kind,
        "X-GitHub-Delivery": delivery,
    }, sent


def forgejo(event: str, document: Mapping[str, Any], delivery: str = "d-1", secret: str = SECRET) -> Sent:
    headers, sent = gitea(event, document, delivery, secret)
    own = {name.replace("Gitea", "Forgejo"): value for name, value in headers.items() if "Gitea" in name}
    return headers | own, sent


def gitlab(event: str, document: Mapping[str, Any], delivery: str = "d-1", secret: str = SECRET) -> Sent:
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/18.0",
        "X-Gitlab-Event": event,
        "X-Gitlab-Instance": "https://gitlab.example",
        "X-Gitlab-Webhook-UUID": delivery,
        "Idempotency-Key": delivery,
        "X-Gitlab-Token": secret,
    }, body(document)


def gitlab_signed(
    event: str, document: Mapping[str, Any], now: float, delivery: str = "d-1", secret: str = SIGNING
) -> Sent:
    headers, sent = gitlab(event, document, delivery)
    del headers["X-Gitlab-Token"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{delivery}.{int(now)}.".encode() + sent
    signature = base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
    return headers | {
        "webhook-id": delivery,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": f"v1,{signature}",
    }, sent


def github_push(old: str = A, new: str = B, ref: str = "refs/heads/main") -> dict[str, Any]:
    return {
        "ref": ref,
        "before": old,
        "after": new,
        "created": old == ZERO,
        "deleted": new == ZERO,
        "forced": False,
        "compare": f"https://github.com/{PROJECT}/compare/{old[:12]}...{new[:12]}",
        "commits": [{"id": new, "message": "Fix VAT rounding", "author": {"name": "Ada", "email": "ada@example.org"}}],
        "head_commit": None if new == ZERO else {"id": new, "message": "Fix VAT rounding"},
        "repository": {
            "id": 7,
            "name": "thyme",
            "full_name": PROJECT,
            "default_branch": "main",
            "pushed_at": 1764000000,
        },
        "pusher": {"name": "ada", "email": "ada@example.org"},
        "sender": {"login": "ada", "id": 3, "type": "User"},
    }


def github_pull(action: str = "opened", head: str = B, source: str | None = PROJECT, **more: Any) -> dict[str, Any]:
    return {
        "action": action,
        "number": 7,
        "pull_request": {
            "number": 7,
            "state": "open",
            "title": "Round down",
            "draft": False,
            "head": {"ref": "round", "sha": head, "repo": source and {"full_name": source}},
            "base": {"ref": "main", "sha": A, "repo": {"full_name": PROJECT}},
        },
        "repository": {"full_name": PROJECT},
        "sender": {"login": "bob"},
    } | more


def gitea_push(old: str = A, new: str = B, ref: str = "refs/heads/main") -> dict[str, Any]:
    return {
        "ref": ref,
        "before": old,
        "after": new,
        "compare_url": f"https://gitea.example/{PROJECT}/compare/{old}...{new}",
        "commits": [{"id": new, "message": "Fix VAT rounding\n", "added": [], "removed": [], "modified": ["vat.py"]}],
        "total_commits": 1,
        "head_commit": {"id": new},
        "repository": {"id": 7, "name": "thyme", "full_name": PROJECT, "updated_at": "2025-11-24T10:00:00Z"},
        "pusher": {"id": 3, "login": "ada", "username": "ada"},
        "sender": {"id": 3, "login": "ada", "username": "ada"},
    }


def gitea_pull(action: str = "opened", head: str = B, source: str | None = PROJECT) -> dict[str, Any]:
    return github_pull(action, head, source) | {"commit_id": "", "review": None}


def gitlab_push(old: str = A, new: str = B, ref: str = "refs/heads/main") -> dict[str, Any]:
    kind = "tag_push" if ref.startswith("refs/tags/") else "push"
    return {
        "object_kind": kind,
        "event_name": kind,
        "before": old,
        "after": new,
        "ref": ref,
        "ref_protected": True,
        "checkout_sha": None if new == ZERO else new,
        "user_id": 3,
        "user_name": "Ada Example",
        "user_username": "ada",
        "project_id": 7,
        "project": {"id": 7, "name": "thyme", "path_with_namespace": PROJECT, "default_branch": "main"},
        "commits": [{"id": new, "message": "Fix VAT rounding", "author": {"name": "Ada"}}],
        "total_commits_count": 1,
        "push_options": {},
    }


def gitlab_merge(action: str = "open", head: str = B, source: int = 7, **more: Any) -> dict[str, Any]:
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": {"id": 4, "name": "Bob", "username": "bob"},
        "project": {"id": 7, "path_with_namespace": PROJECT},
        "object_attributes": {
            "id": 99,
            "iid": 7,
            "action": action,
            "state": "opened",
            "source_branch": "round",
            "target_branch": "main",
            "source_project_id": source,
            "target_project_id": 7,
            "source": {"path_with_namespace": PROJECT if source == 7 else "bob/thyme"},
            "target": {"path_with_namespace": PROJECT},
            "last_commit": {"id": head, "message": "Round down"},
        }
        | more,
        "changes": {},
    }


def keys(*documents: Any) -> set[str]:
    """Return every key that documents have, however deep."""
    own = {key for document in documents if isinstance(document, dict) for key in document}
    inner = [value for document in documents if isinstance(document, dict) for value in document.values()]
    return own | keys(*inner) if inner else own


KEYS = keys(github_push(), github_pull(), gitea_push(), gitea_pull(), gitlab_push(), gitlab_merge())
