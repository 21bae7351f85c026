"""Checks of `farm doctor` on those who hear of pipelines. They send nothing: `farm notify test` does."""

from collections.abc import Iterator

from redis import Redis

from farm.cli.finding import Finding
from farm.durations import duration
from farm.reporters.chosen import reporters_of
from farm.reporters.standing import Book, Standing
from farm.settings import Settings

PATIENT = 60.0  # seconds that news may wait without a word
REMEMBERED = 7 * 86400.0  # seconds for which a loss is shown


def reporters(settings: Settings, client: Redis) -> Iterator[Finding]:
    """Say of each reporter how far it is behind, and what it could not tell."""
    for reporter in reporters_of(settings, client):
        yield _finding(reporter.name, Book(client, reporter.name).read())


def _finding(name: str, standing: Standing) -> Finding:
    mend = f"farm notify test {name}"
    if not standing.joined:
        return Finding.warning(
            name,
            "no dispatcher has begun to tell it anything",
            "start the dispatcher anew: farm up --stop, then farm up; or systemctl restart farm",
        )
    if standing.waiting or standing.age > PATIENT:
        why = standing.waiting or "its reporter hangs, or no dispatcher runs"
        words = f"{standing.behind} events behind, the oldest of {duration(standing.age)} ago: {why}"
        return Finding.warning(name, words, mend)
    if (standing.refused or standing.given_up) and standing.since < REMEMBERED:
        lost = [f"{count} {word}" for count, word in _losses(standing) if count]
        words = f"{' and '.join(lost)}, the last {duration(standing.since)} ago: {standing.lost}"
        return Finding.warning(name, words, f"{mend}; once it is answered this line goes away")
    return Finding.ok(name, f"{standing.behind} events behind" if standing.behind else "has heard everything")


def _losses(standing: Standing) -> Iterator[tuple[int, str]]:
    yield standing.refused, "refused"
    yield standing.given_up, "given up after a day"
