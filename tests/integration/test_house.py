"""One dispatcher's parts while its farm.yml changes: rules, reporters and retention follow without a new start."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.cli.house import House
from farm.settings import Settings
from farm.settings.live import Live

pytestmark = pytest.mark.redis

SLACK = "slack: {webhook: 'http://127.0.0.1:9/x'}\n"


@pytest.fixture
def house(redis_server: Any, redis_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    redis_client.flushall()
    for name, value in {"FARM_REDIS_URL": redis_server.url, "FARM_TOKEN": "all", "FARM_POLL": ""}.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("farm.cli.house.LOOK", 0.05)
    monkeypatch.setattr("farm.cli.house.ROOM", 0.05)
    house = House(Live(Settings.load(tmp_path)))
    house.start()
    yield house
    house.stop()
    house._redis.close()


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_rules_and_reporters_follow_the_file(house: House, tmp_path: Path, poll: Callable[..., Any]) -> None:
    file, dispatcher = tmp_path / "farm.yml", house.service.intake.dispatcher
    assert not any(name.startswith("report-") for name in threads())
    file.write_text("poll: 0\nkeep_images: 3\nrepositories: {thyme: {protected: [refs/heads/x]}}\n" + SLACK)
    poll(lambda: "report-slack" in threads())
    poll(lambda: dispatcher.settings.repository("thyme").protected == ("refs/heads/x",))
    assert (house.service.remotes.period, house.service.garbage.keep) == (0, 3)
    first = house._deliveries["slack"].reporter
    file.write_text("slack: {webhook: 'http://127.0.0.1:9/x', when: failure}\n")
    poll(lambda: house._deliveries["slack"].reporter is not first)
    file.write_text("slack: {when: never\n")
    poll(lambda: house.live.problem)
    assert "report-slack" in threads()
    file.unlink()
    poll(lambda: "report-slack" not in threads())
    assert dispatcher.settings.repository("thyme").protected is None
    file.write_text(SLACK)
    poll(lambda: "report-slack" in threads())


@pytest.mark.usefixtures("house")
def test_the_mirrors_of_a_machine_without_a_worker_have_a_limit_too(tmp_path: Path, poll: Callable[..., Any]) -> None:
    """Nobody but its dispatcher is there to see to them."""
    folder = tmp_path / "mirrors" / "thyme.git"
    (folder / "objects").mkdir(parents=True)
    (folder / "objects" / "pack").write_bytes(b"x")
    os.utime(folder, (0, 0))
    (tmp_path / "farm.yml").write_text("mirrors_max: 0\n")
    poll(lambda: not folder.exists())
