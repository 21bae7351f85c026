"""Names of refs for people, there and back."""

import pytest

from farm.push import ZERO, Push
from farm.refs import meant, pull_request, short


@pytest.mark.parametrize(
    ("ref", "name", "number"),
    [
        ("refs/heads/main", "main", None),
        ("refs/heads/pull request 7", "pull request 7", None),
        ("refs/tags/v1", "v1", None),
        ("refs/pull/7/head", "pull request 7", 7),
        ("refs/merge-requests/12/head", "merge request 12", 12),
        ("refs/pull/7/merge", "refs/pull/7/merge", None),
        ("refs/pull/07/head", "refs/pull/07/head", None),
    ],
)
def test_a_name_leads_back_to_its_ref(ref: str, name: str, number: int | None) -> None:
    assert (short(ref), pull_request(ref)) == (name, number)
    assert ref in meant(name) or ref == "refs/heads/pull request 7", "git takes no blank"


def test_only_a_webhook_makes_a_pull_request() -> None:
    push = Push("an-identity", "thyme", "refs/pull/7/head", ZERO, "a" * 40, options=("farm.fork=bob/thyme",))
    assert (push.pull_request, push.fork) == (None, "bob/thyme")
    told = Push("an-identity", "thyme", "refs/pull/7/head", ZERO, "a" * 40, source="webhook")
    assert (told.pull_request, told.fork) == (7, None)
