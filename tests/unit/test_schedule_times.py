"""When a schedule's times are: over changes of the clock, and after nobody has looked for a while."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from farm.settings import ScheduleSettings, SettingsError
from farm.settings.reader import parse

BERLIN = "Europe/Berlin"


def schedule(cron: str, zone: str = BERLIN) -> ScheduleSettings:
    return ScheduleSettings(repository="thyme", cron=cron, timezone=zone)


def at(text: str, zone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def utc(times: Any) -> list[str]:
    return [datetime.fromtimestamp(time, ZoneInfo("UTC")).strftime("%m-%d %H:%M") for time in times]


@pytest.mark.parametrize(
    ("cron", "begin", "times"),
    [
        ("30 2 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-30 00:30"]),  # 02:30 does not come: 03:00 instead
        ("*/30 * * * *", "2026-03-29T01:15", ["03-29 00:30", "03-29 01:00", "03-29 01:30"]),
        ("30 2 * * *", "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),  # 02:30 comes twice and counts once
        ("30 * * * *", "2026-10-25T01:45", ["10-25 00:30", "10-25 01:30", "10-25 02:30"]),  # each hour
        ("0 9 * * 1-5", "2026-10-23T12:00", ["10-26 08:00", "10-27 08:00"]),
    ],
)
def test_times_over_a_change_of_the_clock(cron: str, begin: str, times: list[str]) -> None:
    assert utc(schedule(cron).upcoming(at(begin), len(times))) == times


def test_a_time_that_counted_once_is_not_due_in_the_hour_that_comes_again() -> None:
    night, first = schedule("30 2 * * *"), at("2026-10-25T02:30")
    assert night.due(first - 3600, first) == first
    assert night.due(first, first + 3600) is None
    assert night.due(first, first + 7200) is None


def test_nothing_is_due_before_its_time_and_nothing_twice() -> None:
    daily, nine = schedule("0 9 * * *"), at("2026-11-25T09:00")
    assert daily.due(nine - 3600, nine - 0.001) is None
    assert daily.due(nine - 3600, nine) == nine
    assert daily.due(nine, nine + 3600) is None


@pytest.mark.parametrize("days", [1, 7, 30, 400])
def test_of_what_was_missed_the_newest_is_due(days: int) -> None:
    now = at("2026-11-25T09:10", "UTC")
    assert schedule("*/15 * * * *", "UTC").due(now - days * 86400, now) == at("2026-11-25T09:00", "UTC")
    monthly = schedule("0 0 1 * *", "UTC").due(now - days * 86400, now)
    assert monthly == (at("2026-11-01T00:00", "UTC") if days >= 30 else None)


def test_a_leap_day_is_found_years_ahead() -> None:
    assert schedule("0 0 29 2 *", "UTC").upcoming(at("2026-03-01T00:00", "UTC"), 1) == [at("2028-02-29T00:00", "UTC")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cron: 0 3 * *", "1:44: a cron expression has five fields"),
        ("cron: 0 3 * * * *", "1:44: a cron expression has five fields"),
        ("cron: 60 3 * * *", '"60 3 .*bad minute'),
        ("cron: 0 0 30 2 *", "bad day-of-month"),
        (
            "cron: 0 3 * * *, timezone: Europe/Berlln",
            '1:65: "Europe/Berlln" is no time zone .did you mean "Europe/Berlin"',
        ),
        ("cron: 0 3 * * *, variables: {CI: x}", "the farm sets this one itself"),
        ("cron: 0 3 * * *, variables: {LOAD: 3}", "text is expected"),
        ("corn: 0 3 * * *", 'unknown key "corn" .did you mean "cron"'),
    ],
)
def test_mistakes_are_told_with_their_place(line: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        parse(f"schedules: {{nightly: {{repository: x, {line}}}}}\n".encode(), "farm.yml")
