"""Artifacts on a pipeline's page, and their download."""

import io
import os
import tarfile
import time
from pathlib import Path

import httpx
import pytest

from farm.artifacts import Store
from farm.pipeline import Status
from farm.record import Sent

pytestmark = [pytest.mark.redis]


def test_artifacts_are_on_the_page_until_they_expire(farm, served):
    number = farm.push("Leaves files", repository="artifacts")
    farm.run(number, "build")
    claim = farm.claim(number, "test")
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        info = tarfile.TarInfo("out/<b>a</b>")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"one"))
    with Store((Path(os.environ["FARM_HOME"]) / "artifacts").as_uri()).create(
        Sent(number, "test", claim.fence)
    ) as file:
        file.write(content.getvalue())
    kept = {"count": 1, "bytes": 3, "expires": time.time() + 3600, "fence": claim.fence}
    farm.record.commit(claim, Status.PASSED, result={"artifacts": kept})
    page = httpx.get(f"{served.url}/pipelines/{number}").text
    assert f"/pipelines/{number}/artifacts/test" in page
    assert "1 file</a>, 3 bytes" in page
    answer = httpx.get(f"{served.url}/pipelines/{number}/artifacts/test")
    assert answer.content == content.getvalue()
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{number}-test.tar"'
    assert httpx.get(f"{served.url}/pipelines/{number}/artifacts/build").status_code == 404
    place = Path(os.environ["FARM_HOME"]) / "artifacts" / str(number)
    place.rename(place.with_name(f"{number}-away"))
    place.touch()
    answer = httpx.get(f"{served.url}/pipelines/{number}/artifacts/test")
    assert (answer.status_code, "see <code>artifacts</code> in farm.yml" in answer.text) == (503, True)
    farm.client.hset(f"farm:pipeline:{number}:step:test", "result", '{"artifacts": {"expires": 1, "fence": 1}}')
    assert httpx.get(f"{served.url}/pipelines/{number}/artifacts/test").status_code == 404
    assert "expired" in httpx.get(f"{served.url}/pipelines/{number}").text
