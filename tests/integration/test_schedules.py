"""Schedules over a real Redis and a real repository, with the clock of the test: each time starts one pipeline."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from farm.dispatch import Dispatcher
from farm.intake import Intake
from farm.ledger import Ledger
from farm.record import Record
from farm.schedules import KEY, Schedules, Slots
from farm.settings import ScheduleSettings, Settings
from farm.trigger import Trigger
from tests.records import Farm

pytestmark = pytest.mark.redis

MINUTE = 60.0
NINE = datetime(2026, 11, 25, 9, 0, tzinfo=UTC).timestamp()
EVERY = ScheduleSettings(repository="thyme", cron="* * * * *", variables={"LOAD": "long"})


def git(*command: object, where: Path) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", *who, *map(str, command)], cwd=where, check=True, capture_output=True, text=True)
    return done.stdout.strip()


class Clock:
    """Says what the test wants."""

    def __init__(self) -> None:
        self.time = NINE + 10

    def __call__(self) -> float:
        return self.time


class House:
    """What dispatchers share in a test, and the loops of as many as it wants."""

    def __init__(self, redis_url: str, farm: Farm, home: Path) -> None:
        self.url, self.farm, self.clock = redis_url, farm, Clock()
        self.settings = Settings(home=home, schedules={"often": EVERY})
        self.intakes: list[Intake] = []

    def loop(self) -> Schedules:
        """Return the loop of another dispatcher, with a connection of its own."""
        client = Redis.from_url(self.url, decode_responses=True)
        ledger = Ledger(client)
        intake = Intake(Dispatcher(Record(client), ledger, self.settings, publish=lambda *_: None))
        self.intakes.append(intake)
        return Schedules(lambda: self.settings, Slots(client), Trigger(ledger, intake), self.clock)

    def say(self, **schedules: ScheduleSettings) -> None:
        """Have other schedules from now on."""
        self.settings = self.settings.model_copy(update={"schedules": schedules})

    @property
    def count(self) -> int:
        """How many pipelines there are."""
        return len(self.farm.redis.zrange("farm:pipelines", 0, -1))

    @property
    def kept(self) -> dict[str, Any]:
        """What is kept of the only schedule."""
        (row,) = self.farm.redis.hgetall(KEY).values()
        return dict(json.loads(row))


@pytest.fixture
def house(redis_server: Any, redis_client: Any, tmp_path: Path) -> Iterator[House]:
    git("init", "-q", "--bare", "-b", "main", "thyme.git", where=tmp_path)
    git("clone", "-q", "thyme.git", "work", where=tmp_path)
    (tmp_path / "work" / ".farm.yml").write_text("test: make check\n")
    git("add", "-A", where=tmp_path / "work")
    git("commit", "-q", "-m", "First", where=tmp_path / "work")
    git("push", "-q", "origin", "HEAD:main", where=tmp_path / "work")
    farm = Farm(redis_client)
    farm.ledger.register("thyme", str(tmp_path / "thyme.git"), "main", {}, moved=True)
    house = House(redis_server.url, farm, tmp_path / "home")
    yield house
    for intake in house.intakes:
        intake.close()


def test_a_new_schedule_begins_with_its_next_time(house: House, tmp_path: Path, poll: Callable[..., Any]) -> None:
    loop = house.loop()
    loop.look()
    house.clock.time = NINE + 59
    loop.look()
    assert house.count == 0
    house.clock.time = NINE + MINUTE
    for _ in range(3):
        loop.look()
    assert house.count == 1
    assert house.kept == {"slot": NINE + MINUTE, "number": 1, "problem": None}
    push = house.farm.ledger.push(1)
    assert (push.who, push.source, push.ref) == ("schedule often", "manual", "refs/heads/main")
    assert push.new == git("rev-parse", "HEAD", where=tmp_path / "work")
    poll(lambda: house.farm.record.pipeline(1).stages)
    assert house.farm.record.pipeline(1).variables == {"LOAD": "long"}


def test_what_was_missed_starts_one_pipeline(house: House) -> None:
    house.loop().look()
    house.clock.time = NINE + 3 * 86400
    loop = house.loop()
    for _ in range(3):
        loop.look()
    assert house.count == 1
    assert house.kept["slot"] == house.clock.time


def test_dispatchers_that_race_start_one_pipeline_a_time(house: House) -> None:
    loops, rounds = [house.loop() for _ in range(4)], 10
    loops[0].look()
    house.clock.time = NINE
    barrier = threading.Barrier(len(loops) + 1, timeout=60)
    faults: list[Exception] = []

    def work(loop: Schedules) -> None:
        try:
            for _ in range(rounds):
                barrier.wait()
                loop.look()
                barrier.wait()
        except Exception as error:  # noqa: BLE001 - the test's own thread tells it
            faults.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, args=(loop,)) for loop in loops]
    for thread in threads:
        thread.start()
    for _ in range(rounds):
        house.clock.time += MINUTE
        barrier.wait()
        barrier.wait()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert house.count == rounds
    assert house.kept["slot"] == NINE + rounds * MINUTE


def test_one_that_died_before_it_wrote_it_down_is_followed_by_no_second(house: House, monkeypatch: Any) -> None:
    loop = house.loop()
    loop.look()
    house.clock.time = NINE + MINUTE
    with monkeypatch.context() as patch:
        patch.setattr(Slots, "keep", lambda *_: (_ for _ in ()).throw(ConnectionError("gone")))
        with pytest.raises(ConnectionError):
            loop.look()
    assert house.count == 1
    house.loop().look()
    assert (house.count, house.kept["number"]) == (1, 1)


def test_a_time_that_another_has_seen_to_is_not_put_back(house: House) -> None:
    slots = Slots(house.farm.redis)
    loop = house.loop()
    loop.look()
    ((ident, first),) = slots.read().items()
    house.clock.time = NINE + 2 * MINUTE
    loop.look()
    newest = slots.read()[ident]
    assert not slots.keep(ident, first, first)
    assert slots.read()[ident] == newest


def test_a_branch_that_is_not_there_is_told_once_a_time(house: House) -> None:
    house.say(often=EVERY.model_copy(update={"ref": "gone"}))
    loop = house.loop()
    loop.look()
    house.clock.time = NINE + MINUTE
    with capture_logs() as logs:
        for _ in range(3):
            loop.look()
    assert [entry["event"] for entry in logs] == ["schedule.refused"]
    assert "no branch or tag 'gone'" in house.kept["problem"]
    assert house.count == 0


def test_a_repository_that_is_away_is_asked_again(house: House, tmp_path: Path) -> None:
    loop = house.loop()
    loop.look()
    (tmp_path / "thyme.git").rename(tmp_path / "moved.git")
    house.clock.time = NINE + MINUTE
    with capture_logs() as logs:
        for _ in range(3):
            loop.look()
            house.clock.time += 5
    assert [entry["event"] for entry in logs] == ["schedule.waits"]
    (tmp_path / "moved.git").rename(tmp_path / "thyme.git")
    house.clock.time = NINE + MINUTE + 40
    loop.look()
    assert (house.count, house.kept["slot"]) == (1, NINE + MINUTE)


def test_one_that_is_taken_out_and_put_in_again_is_new(house: House) -> None:
    loop = house.loop()
    loop.look()
    house.say()
    loop.look()
    assert house.farm.redis.hgetall(KEY) == {}
    house.clock.time = NINE + 30 * MINUTE + 10
    house.say(often=EVERY)
    loop.look()
    assert house.count == 0
    house.say(often=EVERY.model_copy(update={"cron": "*/2 * * * *"}))
    loop.look()
    assert (house.count, len(house.farm.redis.hgetall(KEY))) == (0, 1)
