"""What webhooks say, by payloads with the fields that each forge documents; every event it documents has an answer."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from farm.forges import FORGES, Ignored, Malformed, Moved, Ping, Proposed, gitea, github, gitlab
from farm.forges.values import UNKNOWN
from tests import forges
from tests.forges import PROJECT, SECRET, SIGNING, ZERO, A, B

NOW = time.time()
HEAD, TAG = "refs/heads/main", "refs/tags/v1.0"


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("github", {"push", "pull_request", "ping"}),
        ("gitlab", {"Push Hook", "Tag Push Hook", "Merge Request Hook"}),
        ("gitea", {"push", "pull_request", "pull_request_sync"}),
        ("forgejo", {"push", "pull_request", "pull_request_sync"}),
    ],
)
def test_every_event_that_a_forge_documents_is_taken_or_ignored_with_a_reason(name: str, taken: set[str]) -> None:
    forge, documented = FORGES[name], set((forges.EVENTS / f"{name}.txt").read_text().splitlines())
    assert taken <= documented
    for event in documented - taken:
        message = forge.read(event, {"action": "created", "repository": {"full_name": PROJECT}})
        assert isinstance(message, Ignored)
        assert message.reason.startswith(f"`{event}`: ")
        assert UNKNOWN not in message.reason
    for event in taken - {"ping"}:
        with pytest.raises(Malformed, match="the event has no"):
            forge.read(event, {})
    nonsense = forge.read("nonsense", {})
    assert isinstance(nonsense, Ignored)
    assert nonsense.reason == f"`nonsense`: {UNKNOWN}"


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["\ud800", "opened", "update", A]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(forges.KEYS)), inner, max_size=8)
    ),
    max_leaves=40,
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(sorted(forges.KEYS)), odd, max_size=8))
def test_whatever_a_body_holds_is_taken_ignored_or_malformed(document: dict[str, Any]) -> None:
    for forge in FORGES.values():
        forge.project(document).encode()
        for event in ("push", "pull_request", "Push Hook", "Merge Request Hook", "System Hook", "issues"):
            try:
                message = forge.read(event, document)
            except Malformed as error:
                message = Ignored(str(error))
            str(message).encode()


@pytest.mark.parametrize(
    ("read", "event", "push"),
    [
        (github.read, "push", forges.github_push),
        (gitea.read, "push", forges.gitea_push),
        (gitlab.read, "Push Hook", forges.gitlab_push),
        (gitlab.read, "System Hook", forges.gitlab_push),
    ],
)
@pytest.mark.parametrize(
    "move", [(A, B, HEAD), (ZERO, B, HEAD), (A, ZERO, HEAD), (ZERO, B, TAG), (A, ZERO, TAG), (A, B, TAG)]
)
def test_a_push_says_which_ref_moved_and_who_moved_it(
    read: Callable[..., Any], event: str, push: Callable[..., Any], move: tuple[str, str, str]
) -> None:
    old, new, ref = move
    assert read(event, push(old, new, ref)) == Moved(ref, old, new, "ada")


def test_tests_of_a_webhook_make_no_pipeline() -> None:
    assert github.read("ping", {"zen": "Keep it logically awesome.", "hook_id": 1}) == Ping()
    assert isinstance(gitea.read("push", forges.gitea_push(B, B)), Ignored)
    assert isinstance(gitlab.read("Merge Request Hook", forges.gitlab_merge("")), Ignored)


@pytest.mark.parametrize(
    ("read", "pull", "fresh", "ref"),
    [
        (github.read, forges.github_pull, ("opened", "reopened", "synchronize"), "refs/pull/7/head"),
        (gitea.read, forges.gitea_pull, ("opened", "reopened", "synchronized"), "refs/pull/7/head"),
    ],
)
def test_a_pull_request_counts_when_it_has_new_commits(
    read: Callable[..., Any], pull: Callable[..., Any], fresh: tuple[str, ...], ref: str
) -> None:
    for action in fresh:
        assert read("pull_request", pull(action)) == Proposed(7, ref, B, PROJECT, fork=False, who="bob")
    for action in ("closed", "edited", "labeled", "assigned", "review_requested", "converted_to_draft"):
        assert isinstance(read("pull_request", pull(action)), Ignored)
    assert read("pull_request", pull(source="bob/thyme")).fork
    assert read("pull_request", pull(source=None)).fork, "a fork that is gone"


def test_what_was_pushed_for_a_branch_by_somebody_who_may_only_read_counts_as_from_a_fork() -> None:
    document = forges.gitea_pull()
    document["pull_request"]["head"]["ref"] = "refs/pull/7/head"
    proposed = gitea.read("pull_request", document)
    assert isinstance(proposed, Proposed)
    assert (proposed.fork, proposed.source) == (True, "bob, who has no branch there")


def test_a_merge_request_counts_when_it_has_new_commits() -> None:
    ref = "refs/merge-requests/7/head"
    for document in (
        forges.gitlab_merge("open"),
        forges.gitlab_merge("reopen"),
        forges.gitlab_merge("update", oldrev=A),
    ):
        assert gitlab.read("Merge Request Hook", document) == Proposed(7, ref, B, PROJECT, fork=False, who="bob")
    for action in ("update", "close", "merge", "approved", "approval", "unapproved", "unapproval"):
        assert isinstance(gitlab.read("Merge Request Hook", forges.gitlab_merge(action)), Ignored)
    assert gitlab.read("Merge Request Hook", forges.gitlab_merge(source=8)).fork


@pytest.mark.parametrize("name", FORGES)
def test_a_body_counts_only_with_the_right_signature(name: str) -> None:
    forge, make = FORGES[name], getattr(forges, name)
    headers, body = make("push", {"ref": HEAD})
    assert forge.doubt(headers, body, SECRET, NOW) is None
    assert "does not fit" in (forge.doubt(headers, body, SECRET + "x", NOW) or "")
    if name != "gitlab":
        assert "does not fit" in (forge.doubt(headers, body + b" ", SECRET, NOW) or "")
    forged = {header: "sha256=é" for header in headers if "Signature" in header or "Token" in header}
    assert "does not fit" in (forge.doubt(headers | forged, body, SECRET, NOW) or "")
    unsigned = {header: value for header, value in headers.items() if header not in forged}
    assert "there is n" in (forge.doubt(unsigned, body, SECRET, NOW) or "")


def test_gitlab_signs_the_id_and_the_time_too() -> None:
    headers, body = forges.gitlab_signed("Push Hook", forges.gitlab_push(), NOW)
    assert gitlab.doubt(headers, body, SIGNING, NOW) is None
    several = headers | {"webhook-signature": f"v1,AAAA {headers['webhook-signature']} v1a,BBBB"}
    assert gitlab.doubt(several, body, SIGNING, NOW) is None
    for name, value in (("webhook-id", "d-2"), ("webhook-timestamp", str(int(NOW) + 1)), ("webhook-signature", "v1,")):
        assert "does not fit" in (gitlab.doubt(headers | {name: value}, body, SIGNING, NOW) or "")
    assert "five minutes" in (gitlab.doubt(headers, body, SIGNING, NOW + 400) or "")
    plain, body = forges.gitlab("Push Hook", forges.gitlab_push(), secret=SIGNING)
    assert "no webhook-signature" in (gitlab.doubt(plain, body, SIGNING, NOW) or ""), "a signing token is never sent"


def test_a_delivery_is_known_by_its_id_and_by_what_is_signed() -> None:
    headers, body = forges.github("push", forges.github_push(), "d-1")
    assert github.identities(headers, body)[0] == "d-1"
    assert github.identities(headers, body)[1] == github.identities(headers | {"X-GitHub-Delivery": "d-2"}, body)[1]
    assert gitlab.identities({"Idempotency-Key": "d-1", "X-Gitlab-Webhook-UUID": "d-2"}, b"") == ("d-1",)
    assert len(gitlab.identities({}, b"{}")) == 1
