"""The reporter against a strict local Slack: it refuses what Slack refuses, and can be away, slow or impatient."""

from collections.abc import Iterator
from typing import Any

import pytest

from farm.errors import Refused
from farm.pipeline import Job, Pipeline, Stage, Status
from farm.report import Delivery
from farm.reporters import slack
from farm.reporters.standing import OUTBOX
from farm.settings import Secret, SlackSettings
from tests.receiver import Answer
from tests.slack import FakeSlack, serving

pytestmark = pytest.mark.redis


@pytest.fixture
def fake() -> Iterator[FakeSlack]:
    with serving() as server:
        yield server


class Pipelines:
    """A source that holds plain pipelines by number."""

    def __init__(self) -> None:
        self.held: dict[int, Pipeline] = {}

    def put(self, number: int, status: Status) -> None:
        jobs = (Job("test", status, result={"tests": {"failing": [{"name": "test_vat", "message": "no"}]}}),)
        stages = (Stage("test", status, jobs=jobs),)
        self.held[number] = Pipeline(
            *(number, "thyme", "refs/heads/main", "3f9c2e1" + "0" * 33, "Fix VAT", "Ada", "ada", status, None),
            *(1000.0 + number, None, 1060.0 + number, None, (), stages),
        )

    def pipeline(self, number: int) -> Pipeline:
        if number not in self.held:
            raise Refused(f"there is no pipeline #{number}")
        return self.held[number]

    def when(self, number: int) -> str | None:  # noqa: ARG002
        return None

    def tail(self, number: int, step: str, lines: int) -> list[str]:
        return [f"{number} {step} line {line}" for line in range(lines)]


class Desk:
    """A reporter at its place in the outbox, and what happens to pipelines."""

    def __init__(self, client: Any, fake: FakeSlack) -> None:
        self.client = client
        self.source = Pipelines()
        settings = SlackSettings(webhook=Secret("inline", fake.webhook))
        reporter = slack.Webhook(client, settings, web_url="https://farm.example")
        self.delivery = Delivery(client, reporter, self.source)
        self.delivery.join()

    def finish(self, number: int, status: Status) -> None:
        self.source.put(number, status)
        self.client.xadd(OUTBOX, {"pipeline": number, "kind": "finished", "step": "", "status": status})

    @property
    def untold(self) -> int:
        return self.client.xpending(OUTBOX, "slack")["pending"]


@pytest.fixture
def desk(redis_client: Any, fake: FakeSlack) -> Desk:
    return Desk(redis_client, fake)


def test_the_first_failure_and_the_recovery(desk: Desk, fake: FakeSlack) -> None:
    for number, status in enumerate((Status.PASSED, Status.FAILED, Status.ERRORED, Status.PASSED), start=1):
        desk.finish(number, status)
    desk.delivery.deliver()
    failure, recovery = fake.heads
    assert "#2 failed" in failure
    assert "#4 passed" in recovery
    assert "2 pushes" in recovery
    assert "line 39" in str(fake.messages[0])
    assert "test_vat" in str(fake.messages[0])
    assert desk.untold == 0
    assert desk.client.ttl("farm:slack:thyme:refs/heads/main") > 90 * 86400  # but not for ever


def test_other_events_and_lost_pipelines_pass_by(desk: Desk, fake: FakeSlack) -> None:
    desk.client.xadd(OUTBOX, {"pipeline": 1, "kind": "step", "step": "build", "status": "passed"})
    desk.client.xadd(OUTBOX, {"pipeline": 99, "kind": "finished", "step": "", "status": "failed"})
    desk.client.xadd(OUTBOX, {"what": "ever"})
    desk.delivery.deliver()
    assert desk.untold == 0
    assert not fake.messages


def test_a_rollback_is_a_message_of_its_own(desk: Desk, fake: FakeSlack) -> None:
    desk.source.put(1, Status.PASSED)
    said = {"status": "passed", "image": "thyme", "tag": "latest", "digest": "sha256:1", "who": "jo", "before": "2"}
    desk.client.xadd(OUTBOX, {"pipeline": 1, "kind": "rolledback", "step": "", **said})
    desk.delivery.deliver()
    [message] = fake.messages
    assert message["text"] == "jo rolled back thyme:latest from #2 to #1"
    assert not desk.client.exists("farm:slack:thyme:refs/heads/main")  # it says nothing of how the branch stands


def test_slack_asks_for_patience(desk: Desk, fake: FakeSlack) -> None:
    fake.answers = [Answer(429, b"", {"Retry-After": "7"})]
    desk.finish(1, Status.FAILED)
    assert desk.delivery.deliver() == 7
    assert desk.untold == 1
    desk.delivery.deliver()
    assert len(fake.messages) == 1
    assert desk.untold == 0


def test_the_news_waits_while_slack_is_broken_and_keeps_its_order(desk: Desk, fake: FakeSlack) -> None:
    fake.answers = [Answer(status) for status in (500, 503, 502)]
    desk.finish(1, Status.FAILED)
    desk.finish(2, Status.PASSED)
    assert [desk.delivery.deliver() for _ in range(3)] == [1, 2, 4]
    desk.delivery.deliver()
    assert ["#1" in fake.heads[0], "#2" in fake.heads[1]] == [True, True]


def test_a_slack_that_hangs(desk: Desk, fake: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack.webhook, "TIMEOUT", 1)
    fake.answers = ["hang"]
    desk.finish(1, Status.FAILED)
    assert desk.delivery.deliver() == 1
    desk.delivery.deliver()
    assert len(fake.messages) == 1


def test_a_slack_that_is_gone(desk: Desk, fake: FakeSlack) -> None:
    fake.shutdown()
    fake.server_close()
    desk.finish(1, Status.FAILED)
    assert desk.delivery.deliver() == 1
    assert desk.untold == 1


def test_a_webhook_that_was_removed_holds_up_nothing(desk: Desk, fake: FakeSlack) -> None:
    fake.answers = [Answer(404, b"no_service")]
    desk.finish(1, Status.FAILED)
    desk.finish(2, Status.PASSED)
    desk.delivery.deliver()
    assert desk.untold == 0


def test_what_a_dead_dispatcher_had_read_is_told(desk: Desk, fake: FakeSlack) -> None:
    desk.finish(1, Status.FAILED)
    desk.client.xreadgroup("slack", "dispatcher", {OUTBOX: ">"}, count=1)
    desk.delivery.deliver()
    assert len(fake.messages) == 1


def test_redis_that_began_anew(desk: Desk, fake: FakeSlack) -> None:
    desk.client.flushall()
    desk.delivery.deliver()
    desk.delivery.deliver()
    desk.finish(1, Status.FAILED)
    desk.delivery.deliver()
    assert len(fake.messages) == 1


def test_a_tag_that_drifted_is_said_and_is_no_part_of_the_branch_s_story(desk: Desk, fake: FakeSlack) -> None:
    desk.source.put(219, Status.PASSED)
    event = {"pipeline": 219, "kind": "drift", "step": "", "status": "passed"}
    desk.client.xadd(OUTBOX, {**event, "detail": "thyme:latest was <sha256:1> in the registry and is #219 again"})
    desk.finish(220, Status.FAILED)
    desk.delivery.deliver()
    link = "<https://farm.example/pipelines/219|#219>"
    assert fake.heads[0] == f":warning: thyme:latest was &lt;sha256:1&gt; in the registry and is #219 again  ·  {link}"
    assert "#220 failed" in fake.heads[1]
