"""Webhooks of GitHub, by its page "Webhook events and payloads". The signature covers the body and nothing else."""

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
    Ping,
    Proposed,
    optional,
    text,
    whole,
)

NAME = "github"
SIGNATURE = "X-Hub-Signature-256"

_FRESH = ("opened", "reopened", "synchronize")
_PUSH = "the `push` event of the same change tells it with both commits"
_CHECKS = "it tells of checks, and the farm makes its own"
_TALK = "it tells of words, not of commits"
_FACTS = "it tells of the repository's settings and people, not of commits"
_ELSEWHERE = "it tells of GitHub's own automation and products"
IGNORED = {
    **dict.fromkeys(("create", "delete"), _PUSH),
    **dict.fromkeys(("check_run", "check_suite", "status"), _CHECKS),
    **dict.fromkeys(
        (
            "commit_comment",
            "discussion",
            "discussion_comment",
            "gollum",
            "issue_comment",
            "issue_dependencies",
            "issues",
            "label",
            "milestone",
            "pull_request_review",
            "pull_request_review_comment",
            "pull_request_review_thread",
            "sub_issues",
        ),
        _TALK,
    ),
    **dict.fromkeys(
        (
            "branch_protection_configuration",
            "branch_protection_rule",
            "custom_property",
            "custom_property_promoted_to_enterprise",
            "custom_property_values",
            "deploy_key",
            "exemption_request_push_ruleset",
            "fork",
            "member",
            "membership",
            "meta",
            "org_block",
            "organization",
            "organization_custom_property",
            "organization_custom_property_values",
            "personal_access_token_request",
            "public",
            "repository",
            "repository_import",
            "repository_ruleset",
            "star",
            "team",
            "team_add",
            "watch",
        ),
        _FACTS,
    ),
    **dict.fromkeys(
        (
            "bypass_request_push_ruleset",
            "bypass_request_secret_scanning",
            "code_scanning_alert",
            "dependabot_alert",
            "deployment",
            "deployment_protection_rule",
            "deployment_review",
            "deployment_status",
            "dismissal_request_code_scanning",
            "dismissal_request_dependabot",
            "dismissal_request_secret_scanning",
            "exemption_request_secret_scanning",
            "github_app_authorization",
            "installation",
            "installation_repositories",
            "installation_target",
            "marketplace_purchase",
            "merge_group",
            "package",
            "page_build",
            "project",
            "project_card",
            "project_column",
            "projects_v2",
            "projects_v2_item",
            "projects_v2_status_update",
            "registry_package",
            "release",
            "repository_advisory",
            "repository_dispatch",
            "repository_vulnerability_alert",
            "secret_scanning_alert",
            "secret_scanning_alert_location",
            "secret_scanning_scan",
            "security_advisory",
            "security_and_analysis",
            "sponsorship",
            "workflow_dispatch",
            "workflow_job",
            "workflow_run",
        ),
        _ELSEWHERE,
    ),
}
"""Every other event that GitHub documents, and why it makes no pipeline."""


def event(headers: Headers) -> str:
    """Return the name of the event."""
    return headers.get("X-GitHub-Event", "")


def doubt(headers: Headers, body: bytes, secret: str, now: float) -> str | None:  # noqa: ARG001 - GitHub signs no time
    """Return why the body cannot be taken for GitHub's."""
    given = headers.get(SIGNATURE, "")
    if not given:
        return f"there is no {SIGNATURE}; {ADVICE}"
    scheme, _, digits = given.partition("=")
    if scheme != "sha256" or not hexadecimal(secret, body, digits):
        return f"{SIGNATURE} does not fit; {ADVICE}"
    return None


def identities(headers: Headers, body: bytes) -> Sequence[str]:
    """Return the delivery's id, and the body's digest: the id itself is not signed, and no two pushes read the same."""
    return tuple(filter(None, (headers.get("X-GitHub-Delivery", ""), sha256(body).hexdigest())))


def project(document: Document) -> str:
    """Return `owner/name`."""
    return optional(document, "repository", "full_name")


def read(event: str, document: Document) -> Message:
    """Return what an event tells."""
    if event == "ping":
        return Ping()
    if event == "push":
        who = optional(document, "pusher", "name") or optional(document, "sender", "login")
        return Moved(text(document, "ref"), text(document, "before"), text(document, "after"), who)
    if event == "pull_request":
        return _pull_request(document)
    return Ignored(f"`{event}`: {IGNORED.get(event, UNKNOWN)}")


def _pull_request(document: Document) -> Message:
    action, number = text(document, "action"), whole(document, "number")
    if action not in _FRESH:
        return Ignored(f"pull request {number} {action}: it has no new commits")
    source = optional(document, "pull_request", "head", "repo", "full_name")
    return Proposed(
        number=number,
        ref=f"refs/pull/{number}/head",
        commit=text(document, "pull_request", "head", "sha"),
        source=source,
        fork=source.lower() != text(document, "pull_request", "base", "repo", "full_name").lower(),
        who=optional(document, "sender", "login"),
    )
