"""The outbox from the record's own events to the reporters."""

import threading
from collections.abc import Collection
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from farm import report
from farm.cli.reporters import _finding
from farm.definition import Definition, Job, Notify
from farm.ledger import Ledger
from farm.logs import Logs
from farm.loops import Loop, Loops
from farm.pipeline import Status, Step
from farm.push import ZERO, Push
from farm.record import Record
from farm.report import Delivery, Desk
from farm.reporters import Later, News, Useless
from farm.reporters.standing import OUTBOX, Book, Standing
from tests.records import Farm as RecordFarm

pytestmark = pytest.mark.redis

STEPS = (Step("build", "build"), Step("test", "test", ("build",)))
DEFINITION = Definition(jobs={"test": Job(script=("make",))}, notify=Notify(slack="always"))


class Ear:
    """A reporter that keeps what it hears, and fails as it is told to."""

    kinds: Collection[str] = ("created", "finished")

    def __init__(self, name: str = "ear") -> None:
        self.name = name
        self.heard: list[News] = []
        self.failures: list[Exception] = []

    def tell(self, news: News) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.heard.append(news)


class Farm:
    """A record in which pipelines come to their end."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.record, self.ledger, self.logs = Record(client), Ledger(client), Logs(client)
        self.ledger.register("thyme", "file:///thyme.git", "main", {})
        self.count = 0

    def join(self, ear: Ear) -> Delivery:
        delivery = Delivery(self.client, ear, Desk(self.record, self.logs))
        delivery.join()
        return delivery

    def run(self, *, passes: bool = True) -> int:
        self.count += 1
        new = f"{self.count:040x}"
        number = self.ledger.enter("thyme", [Push(f"uuid-{self.count}", "thyme", "refs/heads/main", ZERO, new)])[
            0
        ].number
        self.record.open(number, definition=DEFINITION.model_dump_json(), steps=STEPS, image_repository="thyme")
        claim = self.record.claim(number, "build", "w1")
        self.record.commit(claim, Status.PASSED, result={"image": "host/thyme@sha256:" + "0" * 64})
        claim = self.record.claim(number, "test", "w1")
        with self.logs.writer(number, "test", claim.fence) as log:
            log.write(b"".join(b"line %d\n" % line for line in range(1000)) + b"the end")
        self.record.commit(
            claim,
            Status.PASSED if passes else Status.FAILED,
            reason=None if passes else "1 of 2 tests failed",
            result={"tests": {"failing": [{"name": "test_vat", "message": "no", "seconds": 0.1}]}},
        )
        return number


@pytest.fixture
def farm(redis_client: Any) -> Farm:
    return Farm(redis_client)


def test_what_happens_is_told_in_order(farm: Farm) -> None:
    ear = Ear()
    delivery = farm.join(ear)
    number = farm.run(passes=False)
    delivery.deliver()
    assert [news.kind for news in ear.heard] == ["created", "finished"]
    last = ear.heard[-1]
    assert (last.pipeline.number, last.pipeline.status, last.when) == (number, Status.FAILED, "always")
    assert last.tail[-1] == "the end"
    assert last.tail[-2] == "line 999"
    assert len(last.tail) == report.TAIL
    assert last.pipeline.stages[1].jobs[0].result["tests"]["failing"][0]["name"] == "test_vat"


def test_a_passed_pipeline_needs_no_log(farm: Farm) -> None:
    ear = Ear()
    delivery = farm.join(ear)
    farm.run()
    delivery.deliver()
    assert ear.heard[-1].tail == ()


def test_a_reporter_that_fails_holds_up_only_itself(farm: Farm) -> None:
    slow, quick = Ear("slow"), Ear("quick")
    slow.failures = [Later("not now", 30), Later("not now"), Later("not now")]
    deliveries = farm.join(slow), farm.join(quick)
    farm.run()
    with capture_logs() as said:
        waits = [deliveries[0].deliver() for _ in range(4)]
        deliveries[1].deliver()
    assert waits == [30, 2, 4, report.LOOK]
    assert [news.kind for news in slow.heard] == [news.kind for news in quick.heard]
    assert [entry["event"] for entry in said] == ["report.later"]


def test_a_reporter_with_a_mistake_harms_nothing(farm: Farm) -> None:
    ear = Ear()
    ear.failures = [Useless("never"), ZeroDivisionError("a mistake")]
    delivery = farm.join(ear)
    farm.run()
    second = farm.run()
    with capture_logs() as said:
        delivery.deliver()
    assert [news.pipeline.number for news in ear.heard] == [second, second]
    assert [entry["log_level"] for entry in said] == ["warning", "error", "warning"]


def test_a_definition_of_another_version_holds_up_nothing(farm: Farm) -> None:
    ear = Ear()
    delivery = farm.join(ear)
    first = farm.run()
    second = farm.run()
    farm.client.hset(f"farm:pipeline:{first}", "definition", '{"of": "another version"}')
    delivery.deliver()
    assert [(news.pipeline.number, news.when) for news in ear.heard if news.kind == "finished"] == [
        (first, None),
        (second, "always"),
    ]


def test_news_that_is_a_day_old_is_left(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = Ear()
    delivery = farm.join(ear)
    farm.run()
    second = farm.run()
    monkeypatch.setattr(report, "PATIENCE", -1.0)
    ear.failures = [Later("away")] * 2
    with capture_logs() as said:
        delivery.deliver()
    assert [news.pipeline.number for news in ear.heard] == [second, second]
    assert (said[0]["event"], said[0]["how"]) == ("report.lost", "given_up")


def test_a_new_reporter_hears_nothing_of_the_past(farm: Farm) -> None:
    farm.run()
    ear = Ear()
    delivery = farm.join(ear)
    delivery.deliver()
    assert ear.heard == []
    farm.run()
    delivery.deliver()
    assert len(ear.heard) == 2


def test_what_retention_took_is_passed_over(farm: Farm) -> None:
    ear = Ear()
    delivery = farm.join(ear)
    number = farm.run()
    farm.client.xreadgroup("ear", "dispatcher", {OUTBOX: ">"}, count=2)
    farm.client.xtrim(OUTBOX, maxlen=2)
    farm.client.delete(f"farm:pipeline:{number}")
    delivery.deliver()
    assert ear.heard == []
    assert farm.client.xpending(OUTBOX, "ear")["pending"] == 0


def test_every_change_is_told_with_what_it_is_about(redis_client: Any) -> None:
    farm = RecordFarm(redis_client)
    ear = Ear()
    ear.kinds = ("created", "queued", "step", "finished", "released", "rolledback", "drift")
    delivery = Delivery(redis_client, ear, Desk(farm.record, farm.logs))
    delivery.join()
    first, second = farm.open("-", "a"), farm.open("a", "b")
    farm.release(first)
    farm.release(second)
    intent = farm.record.rollback("thyme", "latest", first, "jo")
    assert farm.record.checked(intent, 60)
    assert farm.record.drifted(intent, "thyme:latest was something else")
    broken = farm.open("b", "c")
    farm.record.commit(farm.claim(broken, "build"), Status.FAILED, reason="no")
    farm.record.retry(broken, "ada")
    delivery.deliver()

    def told(number: int) -> list[tuple[str, str, str]]:
        return [(news.kind, news.step, news.status) for news in ear.heard if news.pipeline.number == number]

    begun = [("created", "", "pending"), ("queued", "", "pending")]
    walk = [("step", step, status) for step in ("build", "test", "release") for status in ("running", "passed")]
    whole = [*begun, *walk[:-1], ("released", "", "passed"), walk[-1], ("finished", "", "passed")]
    assert told(second) == whole
    assert told(first) == [*whole, ("rolledback", "", "passed"), ("drift", "", "passed")]
    assert told(broken) == [
        *begun,
        *[("step", "build", "running"), ("step", "build", "failed")],
        *[("step", "test", "skipped"), ("step", "release", "skipped"), ("finished", "", "failed")],
        ("queued", "", "pending"),
    ]
    tags = [
        (news.kind, news.image, news.tag, news.digest, news.who, news.before)
        for news in ear.heard
        if news.kind in ("released", "rolledback")
    ]
    digests = {number: f"sha256:{number:064x}" for number in (first, second)}
    assert tags == [
        ("released", "thyme", "latest", digests[first], "jo", None),
        ("released", "thyme", "latest", digests[second], "jo", first),
        ("rolledback", "thyme", "latest", digests[first], "jo", second),
    ]
    (drift,) = (news for news in ear.heard if news.kind == "drift")
    assert (drift.tag, drift.digest, drift.detail) == ("latest", digests[first], "thyme:latest was something else")
    assert len({news.id for news in ear.heard}) == len(ear.heard)


def test_the_outbox_keeps_two_days_and_no_more(redis_client: Any) -> None:
    farm = RecordFarm(redis_client)
    now = int(farm.now())
    for hours in (50, 49, 47):
        for count in range(200):  # Redis trims whole nodes of 100 entries
            redis_client.xadd(OUTBOX, {"kind": "step"}, id=f"{(now - hours * 3600) * 1000}-{count}")
    farm.open()
    kept = {now - int(event.split("-")[0]) // 1000 for event, _ in redis_client.xrange(OUTBOX)}
    assert min(kept) < 60
    assert 47 * 3600 in kept
    assert 50 * 3600 not in kept


def test_one_that_waits_alone_holds_up_only_its_own_pipeline(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(report, "monotonic", lambda: clock[0])
    ear = Ear()
    delivery = farm.join(ear)
    first, second = farm.run(), farm.run()
    ear.failures = [Later("try the others", alone=True)]
    assert delivery.deliver() == 1.0
    assert [(news.pipeline.number, news.kind) for news in ear.heard] == [(second, "created"), (second, "finished")]
    assert Book(farm.client, "ear").read().waiting == "try the others"
    third = farm.run()
    delivery.deliver()
    assert ear.heard[-1].pipeline.number == third
    clock[0] += 1.1
    ear.failures = [Later("once more", alone=True)]
    assert delivery.deliver() == report.LOOK
    assert first not in [news.pipeline.number for news in ear.heard]
    clock[0] += 2.1
    delivery.deliver()
    assert [(news.pipeline.number, news.kind) for news in ear.heard][-2:] == [(first, "created"), (first, "finished")]
    assert farm.client.xpending(OUTBOX, "ear")["pending"] == 0
    assert Book(farm.client, "ear").read() == Standing(joined=True)


def test_redis_that_breaks_off_loses_nothing_and_keeps_the_order(farm: Farm) -> None:
    ear = Ear()
    delivery = farm.join(ear)
    farm.run()
    delivery.deliver()
    number = farm.run()
    ear.failures = [RedisConnectionError("gone")]
    with pytest.raises(RedisConnectionError):
        delivery.deliver()
    delivery.deliver()
    assert [(news.pipeline.number, news.kind) for news in ear.heard][2:] == [(number, "created"), (number, "finished")]


def test_what_another_dispatcher_read_and_died_of_is_told(farm: Farm) -> None:
    """It had the loop for a while and gave it back by its death."""
    ear, died_of = Ear(), Ear()
    delivery, other = farm.join(ear), farm.join(died_of)
    delivery.deliver()
    number = farm.run()
    died_of.failures = [RedisConnectionError("gone")]
    with pytest.raises(RedisConnectionError):
        other.deliver()
    delivery.deliver()
    assert [(news.pipeline.number, news.kind) for news in ear.heard] == [(number, "created"), (number, "finished")]


def test_one_that_hangs_touches_neither_pipelines_nor_others(farm: Farm, poll: Any) -> None:
    hanging, quick, released = Ear("hanging"), Ear("quick"), threading.Event()
    hanging.tell = lambda _: released.wait(60)  # type: ignore[method-assign]
    deliveries = [farm.join(ear) for ear in (hanging, quick)]
    loops = Loops(farm.record.hold, [Loop(each.reporter.name, each.deliver) for each in deliveries])
    loops.start()
    try:
        farm.run()
        assert poll(lambda: len(quick.heard) == 2, deadline=30)
        number = farm.run()
        assert poll(lambda: len(quick.heard) == 4, deadline=30)
        assert farm.record.pipeline(number).status is Status.PASSED
        standing = Book(farm.client, "hanging").read()
        assert (standing.joined, standing.behind >= 4) == (True, True)
    finally:
        released.set()
        loops.stop()


def test_what_was_lost_is_counted_until_somebody_has_seen_that_it_works(farm: Farm) -> None:
    ear = Ear()
    assert Book(farm.client, "ear").read() == Standing(joined=False)
    delivery = farm.join(ear)
    farm.run()
    ear.failures = [Useless("no such channel"), Useless("no rights")]
    delivery.deliver()
    book = Book(farm.client, "ear")
    standing = book.read()
    assert (standing.refused, standing.given_up, standing.lost, standing.behind) == (2, 0, "no rights", 0)
    finding = _finding("ear", standing)
    assert finding.verdict == "warning"
    assert finding.words.startswith("2 refused, the last ")
    assert finding.words.endswith(": no rights")
    book.clear()
    assert _finding("ear", book.read()).words == "has heard everything"


def test_how_far_behind_is_said_with_the_reason(farm: Farm) -> None:
    ear = Ear()
    delivery = farm.join(ear)
    farm.run()
    ear.failures = [Later("Slack asks for patience", 30)]
    delivery.deliver()
    standing = Book(farm.client, "ear").read()
    told = farm.client.xlen(OUTBOX)
    assert (standing.behind, standing.waiting) == (told, "Slack asks for patience")
    words = _finding("ear", standing).words
    assert words.startswith(f"{told} events behind, the oldest of ")
    assert words.endswith(" ago: Slack asks for patience")
