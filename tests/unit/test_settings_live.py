"""A changed farm.yml is taken over when it is good; a bad one changes nothing and is said once."""

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from farm.settings import Settings
from farm.settings.document import Document
from farm.settings.live import AT_START, OF_WORKERS, Live


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        monkeypatch.delenv(name)


def write(home: Path, text: str) -> None:
    """Put a new file into place, as an editor does."""
    draft = home / "draft"
    draft.write_text(text)
    draft.rename(home / "farm.yml")


def looked(live: Live) -> Settings | None:
    """Look as often as it takes to see a file that stays as it is."""
    first = live.look()
    return first or live.look()


def test_a_good_file_holds_from_the_second_look_on(tmp_path: Path) -> None:
    live = Live(Settings.load(tmp_path))
    assert looked(live) is None
    write(tmp_path, "poll: 7\nrepositories: {thyme: {protected: [refs/heads/x]}}\n")
    assert live.look() is None
    taken = live.look()
    assert taken is live.settings
    assert (taken.poll, taken.repository("thyme").protected) == (7, ("refs/heads/x",))
    assert looked(live) is None
    (tmp_path / "farm.yml").unlink()
    assert looked(live) == Settings.load(tmp_path)


def test_a_bad_file_leaves_everything_and_is_said_once(tmp_path: Path) -> None:
    write(tmp_path, "poll: 7\n")
    live = Live(Settings.load(tmp_path))
    before = live.settings
    write(tmp_path, "poll: 8\nkeep_dayz: 3\n")
    with capture_logs() as logs:
        assert [live.look() for _ in range(4)] == [None] * 4
    assert live.settings is before
    assert [entry["event"] for entry in logs] == ["settings.refused"]
    assert "farm.yml:2:1" in str(live.problem)
    write(tmp_path, "poll: 8\n")
    assert looked(live)
    assert (live.settings.poll, live.problem) == (8, None)


def test_a_file_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    live = Live(Settings.load(tmp_path))
    for text in ("poll: 1\n", "poll: 12\n", "poll: 123\n"):
        write(tmp_path, text)
        assert live.look() is None
    assert live.look()
    assert live.settings.poll == 123


def test_what_only_a_new_start_takes_over_is_named_until_it_is_as_it_was(tmp_path: Path) -> None:
    live = Live(Settings.load(tmp_path))
    write(tmp_path, "url: http://127.0.0.1:1\nlease: 4\nmemory: 64MiB\npoll: 7\n")
    with capture_logs() as logs:
        assert looked(live)
    assert live.waiting == ("lease", "url")
    assert (live.settings.lease, live.settings.poll) == (9.0, 7)
    assert {"dispatcher": "lease url", "workers": "memory"}.items() <= logs[-1].items()
    write(tmp_path, "lease: 4\n")
    assert looked(live)
    assert live.waiting == ("lease",)
    assert live.document()["waiting"] == ["lease"]


def test_each_setting_is_taken_over_at_once_or_said_to_wait() -> None:
    """One that is new belongs into one of the sets, or here: then `House.apply` gives it to whoever uses it."""
    at_once = {"poll", "keep_days", "keep_pipelines", "keep_images", "slack", "email", "webhooks", "trackers", "forges"}
    at_once |= {"hook_urls", "schedules", "repositories", "badges"}
    assert AT_START | OF_WORKERS | at_once == set(Document.model_fields)
    assert not at_once & (AT_START | OF_WORKERS)
