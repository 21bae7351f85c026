"""The pages as Flower serves them: who may do what, under which address, and what happens when something is broken."""

import asyncio
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from farm.pipeline import Status
from farm.push import ZERO, Push
from tests.e2e.flower.conftest import Farm, flower

pytestmark = [pytest.mark.redis]

ROOT = Path(__file__).parents[3]
SAME = {"Sec-Fetch-Site": "same-origin"}


def test_cancel_wants_to_come_from_the_same_site(farm, served):
    number = farm.push("Stay", repository="origin")
    url = f"{served.url}/pipelines/{number}/cancel"
    for headers in (
        {},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": served.url},
    ):
        assert httpx.post(url, headers=headers).status_code == 403
    assert farm.record.pipeline(number).status == "pending"
    assert httpx.get(url).status_code == 405
    assert httpx.post(url, headers={"Origin": served.url}).status_code == 303
    assert farm.record.pipeline(number).status == "canceled"


def test_read_only_has_no_buttons_and_refuses_them(farm, serve):
    running, over = farm.push("Read", repository="readonly"), farm.push("Over", repository="readonly")
    farm.run(over, "build", Status.FAILED, reason="no")
    served = serve("--read_only=True")
    assert "Cancel" not in httpx.get(f"{served.url}/pipelines/{running}").text
    assert "Retry" not in httpx.get(f"{served.url}/pipelines/{over}").text
    for path, data in (
        (f"/pipelines/{running}/cancel", {}),
        (f"/pipelines/{over}/retry", {"failed": "1"}),
        ("/machines/drain", {"worker": "w1@c1"}),
        ("/images/rollback", {"repository": "x", "tag": "latest", "number": str(over)}),
    ):
        assert httpx.post(served.url + path, headers=SAME, data=data).status_code == 403, path
    assert [farm.record.pipeline(number).status for number in (running, over)] == ["pending", "failed"]


def test_a_deletion_has_no_commit(farm, served):
    farm.push("Begin", repository="deleted", steps=())
    gone = Push("gone", "deleted", "refs/heads/main", farm.client.get("test:deleted:refs/heads/main"), ZERO, "ada")
    (entry,) = farm.ledger.enter("deleted", [gone])
    for path in ("?repository=deleted", f"/{entry.number}"):
        page = httpx.get(f"{served.url}/pipelines{path}").text
        assert ("<span>deleted</span>" in page, "0000000<" in page) == (True, False), path


@pytest.fixture(scope="module")
def guarded(farm, poll, ports, tmp_path_factory):
    """Flower's command as an operator types it, with a password and a prefix."""
    options = ("--url_prefix=farm", "--basic_auth=grace:secret")
    folder, (port,) = tmp_path_factory.mktemp("guarded"), ports(1)
    with flower(farm.url, folder, port, poll, options=options, prefix="/farm", stock=True) as served:
        yield served


def test_basic_auth_guards_every_page_and_names_who_acts(farm, guarded):
    number, over = farm.push("Guarded", repository="guarded"), farm.push("Over", repository="guarded")
    farm.run(over, "build", Status.FAILED, reason="no")
    parts = ("", f"/{number}", *(f"/{number}/{part}" for part in ("live", "logs/build", "raw/build", "task/build")))
    for path in (
        *(f"/pipelines{part}" for part in parts),
        *("/queues", "/tests", "/images", "/machines", "/badge/guarded/main.svg"),
    ):
        assert httpx.get(guarded.url + path).status_code == 401, path
    for path in (f"/pipelines/{number}/cancel", f"/pipelines/{over}/retry", "/images/rollback"):
        assert httpx.post(guarded.url + path, headers=SAME).status_code == 401, path
    with httpx.Client(auth=("grace", "secret"), base_url=guarded.url) as client:
        assert client.get(f"/pipelines/{number}").status_code == 200
        assert client.post(f"/pipelines/{number}/cancel", headers=SAME).status_code == 303
        assert client.post(f"/pipelines/{over}/retry", headers=SAME).status_code == 303
        assert "retried by grace" in client.get(f"/pipelines/{over}").text
    assert "grace" in farm.record.pipeline(number).reason


def test_every_address_has_the_prefix(farm, guarded):
    number = farm.push("Prefixed", repository="prefixed")
    farm.run(number, "build", log="hello\n")
    with httpx.Client(auth=("grace", "secret"), base_url=guarded.url) as client:
        for path in (f"/pipelines/{number}", "/queues", f"/pipelines/{number}/logs/build"):
            page = client.get(path)
            assert page.status_code == 200
            addresses = re.findall(r'(?:href|src|action)="/([^"]*)', page.text)
            assert addresses
            assert [each for each in addresses if not each.startswith("farm/")] == []
        assert client.get("/farm-static/farm.css").status_code == 200


def test_nonsense_in_the_address_is_harmless(served):
    for query in (
        "before=x",
        "before=99999999999999999",
        "status=nonsense",
        "branch=..",
        "repository=%00",
        "branch=[*]",
    ):
        assert httpx.get(f"{served.url}/pipelines?{query}").status_code == 200, query
    for path in ("/pipelines/0", "/pipelines/1/logs/..%2f..", "/pipelines/1/raw/nothing", "/farm-static/../tabs.py"):
        assert httpx.get(served.url + path).status_code == 404, path


@pytest.mark.browser
def test_while_redis_is_away_the_pages_say_so_and_flower_lives(serve, redis_server, poll, look):
    served = serve(redis_url=redis_server.url)
    number = Farm(redis_server.url, redis_server.client()).push("Stay", repository="origin")
    opened, one, late = (look() for _ in range(3))
    opened.goto(f"{served.url}/pipelines")
    one.goto(f"{served.url}/pipelines/{number}")
    expect(opened.locator(".farm-list")).to_be_visible()
    redis_server.kill()
    late.goto(f"{served.url}/pipelines")
    expect(late.locator(".farm")).to_contain_text("loads again until it is back")
    for page in (opened, one):
        expect(page.locator(".farm-stale")).to_contain_text("The farm does not answer. This page is as it was at")
    acted = httpx.post(f"{served.url}/pipelines/{number}/cancel", headers=SAME, timeout=60)
    assert (acted.status_code, "look before you try it again" in acted.text) == (503, True)
    assert httpx.get(f"{served.url}/pipelines/{number}/raw/build", timeout=60).status_code == 503
    page = httpx.get(f"{served.url}/pipelines", timeout=60)
    assert page.status_code == 503
    assert "Redis is away" in page.text
    assert httpx.get(f"{served.url}/healthcheck").status_code == 200
    redis_server.start()
    poll(lambda: httpx.get(f"{served.url}/queues").status_code == 200)
    expect(late.locator(".farm-list")).to_be_visible()
    for page in (opened, one):
        expect(page.locator(".farm-stale")).to_have_count(0)


@pytest.mark.usefixtures("farm")
def test_flower_runs_without_the_tabs_and_says_so_when_they_break(serve, tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    for folder in ("farm", "config"):
        shutil.copytree(ROOT / folder, broken / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (broken / "farm/flower/tabs.py").write_text("raise RuntimeError('the tabs are broken')\n")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    served = serve(stock=True)
    assert httpx.get(f"{served.url}/workers").status_code == 200
    assert httpx.get(f"{served.url}/pipelines").status_code == 404
    assert "The farm's tabs could not be added" in served.log
    assert "the tabs are broken" in served.log


def test_a_waiting_reader_holds_nobody_up(farm, served):
    number = farm.push("Slow", repository="slow")
    page = httpx.get(f"{served.url}/pipelines/{number}").text
    version = page.split('data-version="')[1].split('"')[0]
    with httpx.Client(base_url=served.url, timeout=0.5) as client, pytest.raises(httpx.ReadTimeout):
        client.get(f"/pipelines/{number}/live", params={"version": version})
    with httpx.Client(base_url=served.url, timeout=15) as client:
        assert client.get("/healthcheck").status_code == 200
        answer = client.get(f"/pipelines/{number}/live", params={"version": "other", "log": "build@rubbish"}).json()
    assert answer["version"] == version
    assert answer["steps"] == "build test release"


def test_a_hundred_watch_one_log(farm, served):
    number = farm.push("Watched", repository="watched")
    claim = farm.claim(number, "build")
    page = httpx.get(f"{served.url}/pipelines/{number}/live").json()

    async def watch(client):
        asked = {"version": page["version"], "log": "build@"}
        return (await client.get(f"/pipelines/{number}/live", params=asked)).json()

    async def all_of_them():
        limits = httpx.Limits(max_connections=110)
        async with httpx.AsyncClient(base_url=served.url, limits=limits, timeout=60) as client:
            watching = [asyncio.ensure_future(watch(client)) for _ in range(100)]
            await asyncio.sleep(0)
            began = time.monotonic()
            healthy = await client.get("/healthcheck")
            with farm.writer(claim) as writer:
                writer.line("now")
            return healthy, await asyncio.gather(*watching), time.monotonic() - began

    with ThreadPoolExecutor(1) as thread:  # the browser's tests keep a loop in this one
        healthy, answers, seconds = thread.submit(asyncio.run, all_of_them()).result()
    assert healthy.status_code == 200
    assert all("now" in answer["logs"]["build"]["html"] for answer in answers)
    assert seconds < 40  # about 1 s where nothing else runs
