"""Who may retry and roll back, from where; badges; the ways between the farm's pages and Flower's."""

import re

import httpx
import pytest

from farm.broker import publish, title
from farm.pipeline import Status, Step

pytestmark = [pytest.mark.redis]

SAME = {"Sec-Fetch-Site": "same-origin"}


def failed(farm, repository):
    number = farm.push("Try again", repository=repository)
    farm.run(number, "build", Status.FAILED, reason="no")
    return number


def test_retry_wants_to_come_from_the_same_site_and_says_why_not(farm, served):
    number = failed(farm, "again")
    url = f"{served.url}/pipelines/{number}/retry"
    for headers in ({}, {"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert httpx.post(url, headers=headers).status_code == 403
    assert httpx.get(url).status_code == 405
    assert farm.record.pipeline(number).status == "failed"
    assert httpx.post(url, headers=SAME, data={"failed": "1"}).status_code == 303
    assert farm.record.pipeline(number).status == "pending"
    again = httpx.post(url, headers=SAME)
    assert again.status_code == 409
    assert f"#{number} is not over yet" in again.text
    assert farm.client.llen("build") > 0  # woken, not only marked


def test_a_page_whose_name_was_made_to_lead_here_changes_nothing(farm, served):
    number = failed(farm, "rebound")
    url, port = f"{served.url}/pipelines/{number}/retry", served.url.rpartition(":")[2]
    for name in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example"):
        answer = httpx.post(url, headers={"Host": f"{name}:{port}", "Origin": f"http://{name}:{port}"})
        assert (answer.status_code, f"{name} is no name that the farm knows" in answer.text) == (403, True)
    assert farm.record.pipeline(number).status == "failed"
    own = {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}
    assert httpx.post(url, headers=own).status_code == 303


def test_a_rollback_that_cannot_be_is_refused_with_a_word(served):
    data = {"repository": "nothing", "tag": "latest", "number": "1"}
    answer = httpx.post(f"{served.url}/images/rollback", headers=SAME, data=data)
    assert answer.status_code == 409
    assert "was never released by this farm" in answer.text
    assert httpx.post(f"{served.url}/images/rollback", headers=SAME, data={"number": "x"}).status_code == 400


def test_draining_nobody_is_refused_with_a_word(served):
    answer = httpx.post(f"{served.url}/machines/drain", headers=SAME, data={"worker": "nobody@nowhere"})
    assert answer.status_code == 409
    assert "nobody@nowhere" in answer.text


def test_badges_follow_the_newest_finished_pipeline(farm, served):
    number = farm.push("Badge", repository="team/badged", ref="refs/heads/feature/x")
    farm.run(number, "build", Status.FAILED)
    farm.push("Runs still", repository="team/badged", ref="refs/heads/feature/x")
    picture = httpx.get(f"{served.url}/badge/team/badged/feature/x.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "<title>team/badged feature/x: failed</title>" in picture.text
    assert ": unknown</title>" in httpx.get(f"{served.url}/badge/nowhere/main.svg").text
    strange = httpx.get(f"{served.url}/badge/team/badged/%3Cscript%3E.svg").text
    assert "<script>" not in strange


TABLE = {"draw": 1, "start": 0, "length": 10, "search[value]": "", "order[0][column]": 0, "order[0][dir]": "asc"}
TABLE |= {"columns[0][data]": "name"}


def test_there_are_ways_between_the_pipeline_and_flowers_task(farm, served, poll, monkeypatch):
    number = farm.push("Both ways", repository="ways")
    monkeypatch.setenv("FARM_REDIS_URL", farm.url)

    def found():
        publish(number, [Step("build", "build", (), "build")], title("ways", "refs/heads/main", "3f9c2e1" * 6))
        answer = httpx.get(f"{served.url}/pipelines/{number}/task/build")
        return answer if answer.status_code == 302 else None

    answer = poll(found, deadline=30, every=0.5, what="Flower to know the task")
    task = httpx.get(f"{served.url}{answer.headers['location']}")
    assert re.search(rf'href="/pipelines/{number}">Pipeline #{number}</a>', task.text)
    own = httpx.get(f"{served.url}/tasks/datatable", params=TABLE).text
    assert f"#{number} {title('ways', 'refs/heads/main', '3f9c2e1' * 6)}" in own
    assert "stage.build" in own
    missing = httpx.get(f"{served.url}/pipelines/{number}/task/release")
    assert missing.status_code == 404
    assert "Flower remembers no task" in missing.text
