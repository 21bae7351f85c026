"""The oldest Flower that pyproject.toml allows: the tabs, the pages and the buttons are the same there."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.redis]

ROOT = Path(__file__).parents[3]
OLDEST = re.search(r'"flower>=([\d.]+)"', (ROOT / "pyproject.toml").read_text())[1]


@pytest.fixture(scope="module")
def oldest(need, tmp_path_factory):
    """A folder with that Flower alone; all else is as locked."""
    folder = tmp_path_factory.mktemp("oldest")
    what = ["--no-deps", "--target", str(folder), f"flower=={OLDEST}"]
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--quiet", *what]
    else:
        command = [need("uv"), "pip", "install", "--quiet", "--python", sys.executable, *what]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    if done.returncode:
        reason = f"flower {OLDEST} cannot be installed: {done.stderr[-300:]}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return folder


def test_the_oldest_flower_has_the_tabs_and_the_pages(farm, serve, oldest, monkeypatch):
    number = farm.push("Old", repository="oldest")
    farm.run(number, "build", log="hello\n")
    farm.worker()
    monkeypatch.setenv("PYTHONPATH", str(oldest))
    told = subprocess.check_output([sys.executable, "-c", "import flower; print(flower.__version__)"], text=True)
    assert told.strip() == OLDEST
    served = serve("--url_prefix=farm", "--basic_auth=grace:secret", prefix="/farm", stock=True)
    with httpx.Client(base_url=served.url, auth=("grace", "secret")) as client:
        own = client.get("/workers").text
        for tab in ("pipelines", "queues", "machines", "images"):
            assert f'href="/farm/{tab}"' in own, tab
            assert client.get(f"/{tab}").status_code == 200, tab
        assert "The farm's tabs could not be added" not in served.log
        for path in (f"/pipelines/{number}", f"/pipelines/{number}/logs/build", "/tests?repository=oldest"):
            page = client.get(path)
            assert (page.status_code, 'class="farm farm-page' in page.text) == (200, True), path
        assert client.get(f"/pipelines/{number}/live?version=none").json()["steps"] == "build test release"
        same = {"Sec-Fetch-Site": "same-origin"}
        assert client.post(f"/pipelines/{number}/cancel", headers=same).status_code == 303
    assert farm.record.pipeline(number).reason == "canceled by grace"
