"""Outgoing webhooks against a receiver that checks them as the specification of Standard Webhooks says."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from farm.logs import Logs
from farm.pipeline import Status
from farm.report import Delivery, Desk
from farm.reporters import Later, Useless
from farm.reporters.standing import Book
from farm.reporters.webhook import Webhook
from farm.settings import Secret, WebhookSettings
from tests.receiver import Answer, Receiver, Request, receiving
from tests.records import Farm

pytestmark = pytest.mark.redis

KEY = b"a key of thirty-two bytes, no more"[:32]
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def judge(request: Request) -> Answer:
    """Verify in the specification's words: the three headers, five minutes, the signature over the raw body."""
    identity, timestamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    if "." in identity or abs(time.time() - int(timestamp)) > 300:
        return Answer(400, b"too old, or an id that could be misread")
    signed = f"{identity}.{timestamp}.".encode() + request.body
    expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    versions = [each.split(",", 1) for each in request.headers["webhook-signature"].split(" ")]
    if ["v1", expected] not in versions:
        return Answer(401, b"no signature that fits")
    if request.headers["content-type"] != "application/json" or not json.loads(request.body)["type"]:
        return Answer(400, b"not a document")
    return Answer(204, b"")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(judge) as server:
        yield server


def webhook(receiver: Receiver, secret: str = SECRET, **more: Any) -> Webhook:
    settings = WebhookSettings(url=f"{receiver.url}/farm", secret=Secret("inline", secret), **more)
    return Webhook("chat", settings, web_url="https://farm.example")


class Desktop:
    """A farm with one webhook."""

    def __init__(self, client: Any, receiver: Receiver, **more: Any) -> None:
        self.farm = Farm(client)
        self.delivery = Delivery(client, webhook(receiver, **more), Desk(self.farm.record, Logs(client)))
        self.delivery.join()
        self.book = Book(client, "webhook-chat")


def test_what_was_asked_for_arrives_signed_in_order(redis_client: Any, receiver: Receiver) -> None:
    desk = Desktop(redis_client, receiver, events=("released", "finished"))
    number = desk.farm.open()
    desk.farm.record.describe(number, subject="Fix VAT", author="Ada", email="ada@example.com")
    desk.farm.release(number)
    desk.delivery.deliver()
    released, finished = (json.loads(request.body) for request in receiver.requests)
    assert [released["type"], finished["type"]] == ["pipeline.released", "pipeline.finished"]
    assert released["data"]["tag"] == "latest"
    assert released["data"]["digest"] == f"sha256:{number:064x}"
    assert finished["data"]["status"] == "passed"
    assert finished["data"]["pipeline"]["subject"] == "Fix VAT"
    assert finished["data"]["url"] == f"https://farm.example/pipelines/{number}"
    assert b"ada@example.com" not in receiver.requests[0].body
    assert desk.book.read().behind == 0
    assert desk.book.read().refused == 0


def test_the_same_event_has_the_same_id_each_time(redis_client: Any, receiver: Receiver) -> None:
    receiver.answers = [Answer(503, b"", {"Retry-After": "9"}), Answer(500, b"oh")]
    desk = Desktop(redis_client, receiver, events=("created",))
    desk.farm.open()
    assert desk.delivery.deliver() == 9.0
    assert desk.delivery.deliver() == 2.0
    desk.delivery.deliver()
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len(receiver.requests) == 3


def test_what_the_receiver_does_not_like_holds_up_no_other_pipeline(redis_client: Any, receiver: Receiver) -> None:
    receiver.answers = [Answer(422, b"I do not like it")]
    desk = Desktop(redis_client, receiver, events=("created", "queued"))
    first, second = desk.farm.open(), desk.farm.open("a", "b")
    desk.delivery.deliver()
    numbers = [json.loads(request.body)["data"]["pipeline"]["number"] for request in receiver.requests]
    assert numbers == [first, second, second]
    assert desk.book.read().waiting.endswith("answers 422 I do not like it")


def test_a_receiver_that_is_gone_for_good(redis_client: Any, receiver: Receiver) -> None:
    receiver.answers = [Answer(410, b"")]
    desk = Desktop(redis_client, receiver, events=("created",))
    desk.farm.open()
    desk.delivery.deliver()
    standing = desk.book.read()
    assert (standing.refused, standing.behind) == (1, 0)
    assert standing.lost.endswith("answers 410")


def test_a_repository_that_was_not_asked_for(redis_client: Any, receiver: Receiver) -> None:
    desk = Desktop(redis_client, receiver, repositories=("rose-*",))
    desk.farm.record.close(desk.farm.enter(desk.farm.push("-", "a"))[0], Status.FAILED, "no")
    desk.delivery.deliver()
    assert not receiver.requests


def test_a_try_says_what_was_answered(receiver: Receiver) -> None:
    assert webhook(receiver).test() == "204"
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    with pytest.raises(Later, match="answers 401 no signature that fits"):
        webhook(receiver, other).test()
    with pytest.raises(Later, match="a webhook's secret is"):
        webhook(receiver, "secret").test()
    receiver.answers = [Answer(410, b"moved away")]
    with pytest.raises(Useless, match="answers 410 moved away"):
        webhook(receiver).test()
    receiver.answers = [Answer(302, b"", {"Location": "http://127.0.0.1:1/"})]
    with pytest.raises(Later, match="answers 302"):
        webhook(receiver).test()


def test_a_receiver_that_hangs_or_is_away(receiver: Receiver) -> None:
    one = webhook(receiver)
    one._posting._http.timeout = 0.5
    receiver.answers = ["hang"]
    with pytest.raises(Later, match="does not answer"):
        one.test()
    receiver.shutdown()
    receiver.server_close()
    with pytest.raises(Later, match="does not answer"):
        one.test()
