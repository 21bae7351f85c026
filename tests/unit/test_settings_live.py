"""A changed farm.yml is taken over when it is good; a bad one changes nothing and is said once."""

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from farm.home import choose_state, keep_keys, open_state
from farm.settings import Settings
from farm.settings.document import Document
from farm.settings.live import AT_START, BETWEEN_STEPS, OF_WORKERS, Live
from farm.settings.started import Started, of_pages, of_worker
from workers import tasks


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
    write(tmp_path, "url: http://127.0.0.1:1\nlease: 4\nslots: 77\npoll: 7\n")
    with capture_logs() as logs:
        assert looked(live)
    assert live.waiting == ("lease", "url")
    assert (live.settings.lease, live.settings.poll) == (9.0, 7)
    assert {"dispatcher": "lease url", "workers": "slots"}.items() <= logs[-1].items()
    write(tmp_path, "lease: 4\n")
    assert looked(live)
    assert live.waiting == ("lease",)
    assert live.document()["waiting"] == ["lease"]


def test_each_setting_is_taken_over_at_once_or_said_to_wait() -> None:
    """One that is new belongs into one of the sets, or here: then `House.apply` gives it to whoever uses it."""
    at_once = {"poll", "keep_days", "keep_pipelines", "keep_images", "slack", "email", "webhooks", "trackers", "forges"}
    at_once |= {"hook_urls", "schedules", "badges"}
    assert AT_START | OF_WORKERS | BETWEEN_STEPS | at_once == set(Document.model_fields)
    assert not at_once & (AT_START | OF_WORKERS | BETWEEN_STEPS)
    assert not BETWEEN_STEPS & (AT_START | OF_WORKERS)


def told(started: Started) -> list[tuple[str, str]]:
    """Look until a change would have been seen; return what was said, and of which settings."""
    with capture_logs() as logs:
        for _ in range(3):
            started.look()
    return [(entry["event"], entry.get("worker") or entry.get("pages") or "") for entry in logs]


def test_a_worker_says_once_what_waits_for_its_new_start(tmp_path: Path) -> None:
    started = Started("worker", Settings.load(tmp_path), of_worker)
    assert told(started) == []
    write(tmp_path, "labels: [gpu]\nslots: 77\nmemory: 64MiB\npoll: 7\n")
    assert told(started) == [("settings.wait", "labels slots")]
    write(tmp_path, "labels: [arm64]\nslots: 78\n")
    assert told(started) == []  # they wait, as was said
    write(tmp_path, "slots: lots\n")
    assert told(started) == [("settings.refused", "")]
    write(tmp_path, "poll: 7\n")
    assert told(started) == [("settings.as_started", "")]


def test_the_pages_say_only_what_they_use(tmp_path: Path) -> None:
    started = Started("pages", Settings.load(tmp_path), of_pages)
    write(tmp_path, "memory: 64MiB\nartifacts: file:///x\n")
    assert told(started) == [("settings.wait", "artifacts")]


def test_all_that_is_read_at_a_start_is_told_by_whoever_reads_it(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path)
    known = AT_START | OF_WORKERS
    assert of_worker(settings).keys() | of_pages(settings).keys() <= known
    assert known - of_worker(settings).keys() - of_pages(settings).keys() == {"web_url", "token"}


def test_keys_are_those_of_this_moment_and_a_bad_file_takes_none_away(tmp_path: Path) -> None:
    write(tmp_path, f"secret_keys: [{'a' * 64}]\n")
    own = Settings.load(tmp_path)
    write(tmp_path, f"secret_keys: [{'b' * 64}]\nkeep_dayz: 3\n")
    assert own.keys_now() == ("a" * 64,)  # not taken over yet, so it does not hold yet
    state = open_state(tmp_path, choose_state(tmp_path), "")
    first = own.keys_now()
    assert first == (state.secret_keys,)
    keep_keys(tmp_path, state, ["c" * 64, *first])
    assert own.keys_now() == ("c" * 64, *first)


def test_a_worker_takes_over_between_steps_what_it_may_and_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    write(tmp_path, "memory: 64MiB\nslots: 3\n")
    for known in (tasks.bench, tasks._start):
        known.cache_clear()
    bench, first = tasks.bench(), tasks.tools()
    assert bench.renewed() is first
    login = "registries: {registry.example: {user: ada, password: {env: X}}}\n"
    write(tmp_path, f"memory: 65MiB\nslots: 4\nrepositories: {{thyme: {{git: {{user: x}}}}}}\n{login}")
    settings = bench.renewed().settings
    assert (settings.memory, settings.slots, settings.repository("thyme").git.user) == (65 << 20, 3, "x")
    assert list(settings.registries) == ["registry.example"]
    assert bench.tools.engine is not first.engine
    assert bench.tools.record is first.record
    write(tmp_path, "memory: lots\n")
    assert bench.renewed().settings is settings
    tasks.bench.cache_clear()  # a slot that takes the place of a lost one, with a bad file
    assert tasks.bench().renewed().settings.memory == 64 << 20
    write(tmp_path, "memory: 66MiB\n")
    assert tasks.bench().renewed().settings.memory == 66 << 20
    for known in (tasks.bench, tasks._start):
        known.cache_clear()
