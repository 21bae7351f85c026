"""`farm artifacts` against a real API: listed, written below a folder, absent."""

import io
import json
import re
import tarfile
import time

import pytest

from farm.artifacts import Store
from farm.pipeline import Status
from farm.record import Sent
from tests.integration.cli.conftest import on_terminal

pytestmark = pytest.mark.redis


@pytest.fixture
def kept(farm, tmp_path):
    """A pipeline whose test has left one file."""
    number = farm.open()
    farm.pass_step(number, "build")
    claim = farm.claim(number, "test")
    store = Store((tmp_path / "home" / "artifacts").as_uri())
    info = tarfile.TarInfo("out/a\u202eb")
    info.size = 3
    with store.create(Sent(number, "test", claim.fence)) as file, tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(info, io.BytesIO(b"one"))
    row = {"count": 1, "bytes": 3, "expires": time.time() + 5400, "fence": claim.fence}
    farm.record.commit(claim, Status.PASSED, result={"artifacts": row})
    return number


def test_artifacts_are_listed_and_downloaded(cli, kept, tmp_path):
    ran = cli("artifacts", str(kept), "--download", "here")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0].startswith("test: 1 file, 3 bytes, kept for 1 h ")
    assert "\u202e" not in ran.out
    assert [path.read_text() for path in (tmp_path / "here" / "test" / "out").iterdir()] == ["one"]
    [row] = json.loads(cli("artifacts", str(kept), "--json").out)
    assert (row["step"], row["files"][0]["size"]) == ("test", 3)


def test_a_terminal_is_shown_how_far_a_download_has_come(cli, kept):
    code, drawn = on_terminal(cli, ("artifacts", kept, "--download", "here"), columns=80)
    assert code == 0
    assert "fetching test ━" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn)
    assert cli("artifacts", kept, "--download", "here").err == ""


def test_what_cannot_be_written_is_said(cli, kept, tmp_path):
    (tmp_path / "file").write_text("in the way")
    ran = cli("artifacts", str(kept), "--download", "file")
    assert ran.code == 2
    assert ran.err == "error: file/test cannot be written: not a directory; name another folder\n"
    (tmp_path / "here" / "test" / "out").mkdir(parents=True)
    (tmp_path / "here" / "test" / "out" / "a\u202eb").mkdir()
    ran = cli("artifacts", str(kept), "--download", "here")
    assert ran.code == 2
    assert "cannot be written: is a directory; name another folder" in ran.err


def test_a_pipeline_without_any_says_so(cli, farm):
    ran = cli("artifacts", str(farm.open()))
    assert (ran.code, ran.out) == (0, "")
    assert "none were kept, or their time is over" in ran.err
