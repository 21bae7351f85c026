"""A dispatcher that tells Slack, e-mail and a webhook, from farm.yml to the other sides."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from farm.cli.reporters import reporters
from farm.pipeline import Status
from farm.record import Record
from farm.reporters.standing import OUTBOX, Book
from farm.settings import Settings
from tests import mail, slack
from tests.integration.test_api_dispatcher import TOKEN, Running
from tests.programs import Ran, run
from tests.receiver import Answer, Receiver, receiving

pytestmark = pytest.mark.redis

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NAMES = ("slack", "email", "webhook-deploy")


class Told:
    """The three other sides, and the farm that tells them."""

    def __init__(self, running: Running, fake: slack.FakeSlack, mailbox: mail.Mailbox, receiver: Receiver) -> None:
        self.running, self.slack, self.mailbox, self.receiver = running, fake, mailbox, receiver

    def settings(self, **more: Any) -> None:
        secrets = self.running.folder / "secrets"
        secrets.mkdir(exist_ok=True)
        for name, text in (("slack", slack.TOKEN), ("mail", mail.PASSWORD)):
            (secrets / name).write_text(f"{text}\n")
            (secrets / name).chmod(0o600)
        values: dict[str, Any] = {
            "slack": {"token": {"file": str(secrets / "slack")}, "channel": "C1", "api": self.slack.api},
            "email": {
                "host": "localhost",
                "port": self.mailbox.port,
                "ca": str(self.mailbox.ca),
                "user": mail.USER,
                "password": {"file": str(secrets / "mail")},
                "sender": "farm@farm.example",
                "domains": {"*": ["example.org"]},
            },
            "webhooks": {"deploy": {"url": self.receiver.url, "secret": {"env": "DEPLOY_SECRET"}}},
        }
        home = self.running.folder / "home"
        home.mkdir(exist_ok=True)
        (home / "farm.yml").write_text(yaml.safe_dump(values | more))

    def notify(self, *arguments: str) -> Ran:
        env = {"FARM_TOKEN": TOKEN, "FARM_URL": self.running.url, "FARM_HOME": str(self.running.folder / "home")}
        return run(["notify", "test", *arguments], env=env)


@pytest.fixture
def told(tmp_path: Path, redis_server: Any, ports: Any, poll: Any) -> Iterator[Told]:
    (tmp_path / "mail").mkdir()
    port, mail_port = ports(2)
    running = Running(tmp_path, redis_server.url, port, poll)
    with (
        slack.serving() as fake,
        mail.serving(tmp_path / "mail", port=mail_port) as mailbox,
        receiving(lambda _: Answer(204, b"")) as receiver,
    ):
        everything = Told(running, fake, mailbox, receiver)
        everything.settings()
        try:
            running.start(DEPLOY_SECRET=SECRET)
            yield everything
        finally:
            running.stop()


def test_from_a_push_that_fails_to_one_that_mends_and_notify_test(told: Told, redis_client: Any, poll: Any) -> None:
    running, record = told.running, Record(redis_client, 2)
    running.register()
    first = running.push(running.commit(message="Break VAT"))["pipelines"][0]["number"]
    poll(lambda: record.pipeline(first).stages, deadline=30)
    record.commit(record.claim(first, "build", "w1"), Status.FAILED, reason="exit status 2")
    poll(lambda: told.slack.roots and told.mailbox.mails and told.receiver.requests, deadline=30)
    assert f"|#{first} failed>" in slack.head(told.slack.roots[0])
    second = running.push(running.commit(message="Mend VAT"), ref="refs/heads/main")["pipelines"][0]["number"]
    poll(lambda: record.pipeline(second).stages, deadline=30)
    result = {"image": f"127.0.0.1:5000/thyme@sha256:{second:064x}"}
    record.commit(record.claim(second, "build", "w1"), Status.PASSED, result=result)
    record.commit(record.claim(second, "test", "w1"), Status.PASSED)
    record.commit(record.claim(second, "release", "w1"), Status.PASSED)
    poll(lambda: all(Book(redis_client, name).read().behind == 0 for name in NAMES), deadline=30)
    (root,) = told.slack.roots
    assert f"|#{second} passed>" in slack.head(root)
    assert "green again" in slack.head(told.slack.replies(root["ts"])[-1])
    assert [each["Subject"].partition(":")[2].strip() for each in told.mailbox.mails] == ["Break VAT", "Mend VAT"]
    sent = [json.loads(request.body)["data"]["status"] for request in told.receiver.requests]
    assert sent == ["failed", "passed"]
    assert redis_client.xinfo_stream(OUTBOX)["groups"] == len(NAMES)
    each_is_tried_and_says_what_was_answered(told, redis_client)


def each_is_tried_and_says_what_was_answered(told: Told, redis_client: Any) -> None:
    Book(redis_client, "slack").loses("refused", "no rights")
    done = told.notify()
    assert done.code == 0, done.out + done.err
    ts = told.slack.roots[-1]["ts"]
    assert done.out.splitlines() == [
        f"slack: sent; the answer: ok, as {ts} in C1",
        "email: sent; the answer: 250 2.0.0 taken as 17",
        "webhook-deploy: sent; the answer: 204",
    ]
    assert Book(redis_client, "slack").read().refused == 0
    told.slack.channels = {}
    done = told.notify("--json")
    assert done.code == 1
    assert [each["ok"] for each in json.loads(done.out)] == [False, True, True]
    done = told.notify("slack")
    assert done.code == 1
    findings = {each.name: each for each in reporters(Settings.load(told.running.folder / "home"), redis_client)}
    assert {name: each.words for name, each in findings.items()} == dict.fromkeys(NAMES, "has heard everything")
    assert "slack: the channel C1 is not there, or the bot may not see it" in done.out
    done = told.notify("pigeon")
    assert done.code == 2
    assert "farm.yml has no reporter 'pigeon', but slack, email, webhook-deploy" in done.err
