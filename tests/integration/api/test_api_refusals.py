"""What the API says when it cannot do what it is asked: one sentence that says what to do next, on every route."""

from collections.abc import Sequence

import pytest

from tests.integration.api.conftest import Served
from tests.integration.api.test_api_tokens import operations, path_of

pytestmark = pytest.mark.redis


def test_every_refusal_says_what_to_do_next(served: Served) -> None:
    refused = 0
    for operation in operations(served).keys() - {"GET /events"}:  # which begins, and has no end
        method, path = path_of(operation, 999)
        for body in ({}, {"repository": "none", "name": "none", "scopes": [], "updates": [], "value": "1"}):
            answer = served.ask(method, path.replace("/thyme", "/none"), json=body if method != "GET" else None)
            if answer.status_code in (404, 409, 422):
                refused += 1
                sentence = answer.json()["detail"]
                assert "\n" not in sentence, operation
                assert any(hint in sentence for hint in ("; ", " but ", "run `", "it takes ")), (operation, sentence)
    assert refused > 30


WRONG: Sequence[tuple[str, str, bytes | None, int, str]] = [
    ("GET", "/nowhere", None, 404, "there is nothing at /nowhere; docs/api.md and /openapi.json list the requests"),
    ("PUT", "/pipelines", None, 405, "/pipelines takes no PUT; docs/api.md and /openapi.json list the requests"),
    ("GET", "/pipelines?limit=501", None, 422, "limit in the query should be less than or equal to 500; docs/api"),
    ("GET", "/pipelines/abc", None, 422, "number in the path should be a valid integer"),
    ("POST", "/pushes", b'{"repository": "thyme"}', 422, "updates is missing; docs/api.md and /openapi.json say"),
    ("POST", "/pushes", b"{", 422, "the body is no JSON ("),
    ("POST", "/pushes", b"[]", 422, "the body should be a JSON object; docs/api.md"),
    ("POST", "/pushes", b'{"repository": "", "updates": []}', 422, "repository should have at least 1 character"),
    ("POST", "/pipelines/999/retry", b"{}", 404, "there is no pipeline #999; `farm list` shows those that there"),
]


def test_a_place_that_no_log_has_is_named(served: Served) -> None:
    number = served.farm.open()
    answer = served.get(f"/pipelines/{number}/logs/build?after={'9' * 20}")
    assert (answer.status_code, "is no place in a log" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize("url", ["https://[::1/x.git", "https://git.example:abc/x.git", "ssh://git.example:99999/x"])
def test_an_address_that_nobody_can_read_is_refused(served: Served, url: str) -> None:
    answer = served.ask("POST", "/repositories", json={"name": "mint", "url": url, "refs": {}})
    assert (answer.status_code, "is no clone URL" in answer.json()["detail"]) == (422, True)


def test_what_is_wrong_is_named(served: Served) -> None:
    for method, path, body, status, sentence in WRONG:
        answer = served.ask(method, path, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["detail"][: len(sentence)]) == (status, sentence)
