"""The pages without Flower, as `farm web` serves them."""

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe

from farm.home import choose_state, open_state, state_file
from tests.e2e.flower.conftest import Farm, Served, started
from tests.e2e.flower.day import an_ordinary_day
from tests.e2e.flower.test_flower_access import told

pytestmark = [pytest.mark.redis, pytest.mark.browser]

FARM = str(Path(sys.executable).with_name("farm"))
SAME = {"Sec-Fetch-Site": "same-origin"}


@contextlib.contextmanager
def web(farm: Farm, folder: Path, poll: Any, *options: str, **env: str) -> Iterator[Served]:
    command = [FARM, "web", "--listen", "127.0.0.1:0", *options]
    with started(command, folder, FARM_REDIS_URL=farm.url, FARM_HOME=str(folder), **env) as process:
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
        for width, dark in ((390, False), (1280, True)):
            page = look(width=width, dark=dark, bypass_csp=True)
            for name, path in pages.items():
                page.goto(served.url + path)
                assert page.locator(".farm").first.is_visible(), name
                assert told(Axe().run(page)) == [], name
                assert page.locator("a[href^='/worker/'], a[href*='/task/']").count() == 0, name
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
    command = [FARM, "web", "--listen", "0.0.0.0:0"]
    with started(command, tmp_path, FARM_HOME=str(tmp_path)) as process:
        assert process.wait(60) == 2
    said = (tmp_path / "log").read_text()
    assert said == "farm: others can reach 0.0.0.0, so the pages need a password: set FARM_WEB_PASSWORD\n"


def test_where_the_password_is_is_said_and_not_what_it_is(tmp_path: Path, poll: Any) -> None:
    state = open_state(tmp_path, choose_state(tmp_path), "10.0.0.5")
    log = tmp_path / "log"
    with started([FARM, "web", "--listen", "0.0.0.0:0"], tmp_path, FARM_HOME=str(tmp_path)):
        poll(lambda: "\n" in log.read_text(), deadline=60, every=0.1, what="farm web to say where it is")
    said = log.read_text()
    assert said.endswith(f"/ for the user farm and the password `web_password` in {state_file(tmp_path)}\n")
    assert state.web_password not in said
