"""Lists that lead on, and answers that are not sent twice."""

from itertools import pairwise

import pytest

from farm.client import Client
from farm.record import views
from tests.integration.api.conftest import OWN, Served
from tests.records import MAIN

pytestmark = pytest.mark.redis


def test_a_list_leads_on_to_its_end(served: Served) -> None:
    letters = "-abcde"
    numbers = [served.farm.open(*pair) for pair in pairwise(letters)]
    found, path = [], "/pipelines?limit=2&repository=thyme"
    for _ in range(3):
        answer = served.get(path)
        found += [row["number"] for row in answer.json()]
        path = f"/pipelines{answer.links['next']['url']}" if answer.links else ""
        assert not path or "repository=thyme" in path
    assert (found, path) == (sorted(numbers, reverse=True), "")


def test_a_ref_of_any_repository(served: Served) -> None:
    one, other = served.farm.open("-", "a"), served.farm.open("-", "b", ref="refs/heads/next")
    assert [row["number"] for row in served.get(f"/pipelines?ref={MAIN}").json()] == [one]
    assert [row["number"] for row in served.get("/pipelines?ref=refs/heads/next").json()] == [other]
    assert served.get("/pipelines?ref=refs/heads/none").json() == []


def test_a_rare_status_costs_no_walk_and_is_found(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PAGE", 1)
    monkeypatch.setattr(views, "LOOKS", 2)
    rare = served.farm.open("-", "a")
    served.farm.record.cancel(rare, "jo")
    for pair in ("ab", "bc", "cd"):
        served.farm.open(*pair)
    answer = served.get("/pipelines?status=canceled")
    assert (answer.json(), "next" in answer.links) == ([], True)
    with Client(served.url, OWN) as client:
        assert [row["number"] for row in client.pipelines(status="canceled")] == [rare]


def test_what_is_known_is_not_sent_again(served: Served) -> None:
    number = served.farm.open()
    for path in (f"/pipelines/{number}", "/pipelines", f"/pipelines/{number}/definition", "/releases"):
        first = served.get(path)
        assert first.status_code == 200, first.text
        again = served.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    tag = served.get(f"/pipelines/{number}").headers["etag"]
    served.farm.record.cancel(number, "jo")
    changed = served.get(f"/pipelines/{number}", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["status"]) == (200, "canceled")
    assert served.get(f"/pipelines/{number}", None, headers={"If-None-Match": tag}).status_code == 401
