"""The pages without Flower, as `farm web` serves them."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from farm.home import choose_state, open_state, state_file
from tests.e2e.flower.conftest import Farm, Served, forked
from tests.e2e.flower.day import an_ordinary_day
from tests.e2e.flower.test_flower_every_page import told
from tests.programs import farm, run

pytestmark = [pytest.mark.redis, pytest.mark.browser]

SAME = {"Sec-Fetch-Site": "same-origin"}


@contextlib.contextmanager
def web(on: Farm, folder: Path, poll: Any, *options: str, **env: str) -> Iterator[Served]:
    arguments = ["web", "--listen", "127.0.0.1:0", *options]
    with forked(farm, arguments, folder, FARM_REDIS_URL=on.url, FARM_HOME=str(folder), **env) as process:
        log = folder / "log"

        def address() -> str:
            found = re.search(r"pages at (http://\S+)/", log.read_text())
            assert process.poll() is None, log.read_text()
            return found[1] if found else ""

        url = poll(address, deadline=60, every=0.1, what="farm web to say where it is")
        yield Served(url, int(url.rpartition(":")[2]), process, log)


def test_every_page_stands_without_flower(another_farm: Farm, tmp_path: Path, poll: Any, look: Any) -> None:
    pages = an_ordinary_day(another_farm)
    with web(another_farm, tmp_path, poll) as served:
        assert httpx.get(served.url, follow_redirects=True).url.path == "/pipelines"
        page = look(reduced_motion="reduce")  # a colour that is on its way to another is none of them
        for name, path in pages.items():
            page.set_viewport_size({"width": 390, "height": 844})
            page.emulate_media(color_scheme="light")
            page.goto(served.url + path)
            expect(page.locator(".farm h1").first).to_be_visible()
            expect(page.locator("a[href^='/worker/'], a[href*='/task/']")).to_have_count(0)
            assert told(Axe().run(page)) == [], name
            page.set_viewport_size({"width": 1280, "height": 900})
            page.emulate_media(color_scheme="dark")
            expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
            # What is in this frame is the same in Flower's, where it is looked at in the dark, too.
            assert told(Axe().run(page, context={"exclude": [[".farm"]]})) == [], name
        missing = httpx.get(f"{served.url}/pipelines/4711")
        assert (missing.status_code, "there is no pipeline #4711" in missing.text) == (404, True)
        assert httpx.get(f"{served.url}/tasks").status_code == 404


def test_buttons_work_unless_it_is_read_only(another_farm: Farm, tmp_path: Path, poll: Any) -> None:
    number = another_farm.push("Stay", repository="alone")
    with web(another_farm, tmp_path, poll, "--read-only") as served:
        assert "Cancel" not in httpx.get(f"{served.url}/pipelines/{number}").text
        assert httpx.post(f"{served.url}/pipelines/{number}/cancel", headers=SAME).status_code == 403
    with web(another_farm, tmp_path, poll, FARM_WEB_PASSWORD="secret") as served:
        cancel = f"{served.url}/pipelines/{number}/cancel"
        assert httpx.get(f"{served.url}/pipelines").status_code == 401
        assert httpx.post(cancel, headers=SAME).status_code == 401
        assert httpx.post(cancel, auth=("farm", "secret")).status_code == 403
        assert httpx.post(cancel, auth=("farm", "secret"), headers=SAME).status_code == 303
    assert "farm" in another_farm.record.pipeline(number).reason


def test_others_need_a_password(tmp_path: Path) -> None:
    ran = run(["web", "--listen", "0.0.0.0:0"], env={**os.environ, "FARM_HOME": str(tmp_path)})
    assert ran.code == 2
    assert ran.err == "error: others can reach 0.0.0.0, so the pages need a password: set FARM_WEB_PASSWORD\n"


def test_where_the_password_is_is_said_and_not_what_it_is(tmp_path: Path, poll: Any) -> None:
    state = open_state(tmp_path, choose_state(tmp_path), "10.0.0.5")
    log = tmp_path / "log"
    with forked(farm, ["web", "--listen", "0.0.0.0:0"], tmp_path, FARM_HOME=str(tmp_path)):
        poll(lambda: "\n" in log.read_text(), deadline=60, every=0.1, what="farm web to say where it is")
    said = log.read_text()
    assert said.endswith(f"/ for the user farm and the password `web_password` in {state_file(tmp_path)}\n")
    assert state.web_password not in said
