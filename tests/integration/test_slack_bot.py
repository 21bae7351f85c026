"""The bot against a strict local Slack: one message a branch, edited in place, and its thread."""

from collections.abc import Iterator
from typing import Any

import pytest

from farm.pipeline import Status
from farm.report import Delivery, Desk
from farm.reporters import Later
from farm.reporters.slack import Bot
from farm.reporters.slack.api import Api
from farm.reporters.standing import OUTBOX, Book
from farm.settings import Secret, SlackSettings
from tests.receiver import Answer
from tests.records import Farm
from tests.slack import TOKEN, FakeSlack, head, serving

pytestmark = pytest.mark.redis


@pytest.fixture
def fake() -> Iterator[FakeSlack]:
    with serving() as server:
        yield server


class Room:
    """A farm whose pipelines end as a test says, and the bot that hears of it."""

    def __init__(self, client: Any, fake: FakeSlack) -> None:
        self.client, self.fake = client, fake
        self.farm = Farm(client)
        self.letter = "-"
        self.listen()

    def listen(self, **more: Any) -> Delivery:
        wanted = {"token": Secret("inline", TOKEN), "channel": "C1", "api": self.fake.api} | more
        self.bot = Bot(self.client, SlackSettings(**wanted), web_url="https://farm.example")
        self.delivery = Delivery(self.client, self.bot, Desk(self.farm.record, self.farm.logs))
        self.delivery.join()
        return self.delivery

    def open(self, **more: Any) -> int:
        new = chr(ord(self.letter) + 1) if self.letter != "-" else "a"
        number = self.farm.open(self.letter, new, **more)
        self.letter = new
        self.farm.record.describe(number, subject=f"Change {new}", author="Ada", email="Ada@example.com")
        return number

    def end(self, number: int, *, passes: bool) -> int:
        self.farm.end(number, passes=passes, said=b"make: <!channel> @here broke & so on\n")
        return number

    def run(self, *, passes: bool, **more: Any) -> int:
        return self.end(self.open(**more), passes=passes)


@pytest.fixture
def room(redis_client: Any, fake: FakeSlack) -> Room:
    return Room(redis_client, fake)


def test_one_message_is_edited_from_failed_to_fixed(room: Room, fake: FakeSlack) -> None:
    room.run(passes=True)
    first = room.run(passes=False)
    room.delivery.deliver()
    (root,) = fake.roots
    assert f"|#{first} failed>" in head(root)
    assert [head(reply) for reply in fake.replies(root["ts"])] == [
        "```\nmake: &lt;!channel&gt; @\u2060here broke &amp; so on\n```"
    ]
    second = room.run(passes=False)
    room.delivery.deliver()
    assert [root["ts"]] == [each["ts"] for each in fake.roots]
    assert f"|#{second} failed>" in head(root)
    assert f"|#{second} failed again>" in head(fake.replies(root["ts"])[-1])
    third = room.run(passes=True)
    room.delivery.deliver()
    assert f"|#{third} passed>" in head(root)
    *_, last = fake.replies(root["ts"])
    assert "green again after " in head(last)
    assert "2 pushes" in head(last)
    assert [reply.get("reply_broadcast", False) for reply in fake.replies(root["ts"])] == [False, False, True]
    room.run(passes=True)
    room.run(passes=False)
    room.delivery.deliver()
    assert len(fake.roots) == 2
    assert room.client.ttl("farm:slack:thyme:refs/heads/main") > 90 * 86400  # but not for ever


def test_a_retry_is_said_in_the_thread_and_may_mend_the_branch(room: Room, fake: FakeSlack) -> None:
    number = room.run(passes=False)
    room.farm.record.retry(number, "grace")
    room.end(number, passes=True)
    room.delivery.deliver()  # all at once, and told as it stands
    assert not fake.messages
    number = room.run(passes=False)
    room.delivery.deliver()
    room.farm.record.retry(number, "grace")
    room.delivery.deliver()
    (root,) = fake.roots
    assert f"|#{number} is tried again by grace>" in head(fake.replies(root["ts"])[-1])
    room.end(number, passes=True)
    room.delivery.deliver()
    assert f"|#{number} passed>" in head(root)
    assert "1 push" in head(fake.replies(root["ts"])[-1])
    posted = len(fake.messages)
    room.run(passes=True)
    room.delivery.deliver()
    assert len(fake.messages) == posted


def test_a_canceled_retry_says_nothing_of_the_branch(room: Room, fake: FakeSlack) -> None:
    number = room.run(passes=False)
    room.delivery.deliver()
    room.farm.record.retry(number, "grace")
    room.farm.record.cancel(number, "grace")
    room.delivery.deliver()
    (root,) = fake.roots
    assert f"|#{number} failed>" in head(root)
    assert not any("green again" in shown for shown in fake.heads)


def test_an_event_that_is_told_again_posts_nothing_again(room: Room, fake: FakeSlack) -> None:
    room.run(passes=False)
    room.run(passes=False)
    room.delivery.deliver()
    posted = len(fake.messages)
    room.client.xgroup_setid(OUTBOX, "slack", "0")
    room.listen().deliver()
    assert len(fake.messages) == posted
    assert Book(room.client, "slack").read().behind == 0


def test_a_failure_without_a_log_that_is_told_again_is_no_second_failure(room: Room, fake: FakeSlack) -> None:
    (number,) = room.farm.enter(room.farm.push("-", "a"))
    room.farm.record.close(number, Status.FAILED, "definition: no such key")
    room.delivery.deliver()
    room.client.xgroup_setid(OUTBOX, "slack", "0")
    room.delivery.deliver()
    assert len(fake.messages) == 1
    assert fake.edits == 1


def test_a_tag_that_drifted_is_said_once_and_is_no_part_of_the_branch_s_story(room: Room, fake: FakeSlack) -> None:
    room.farm.release(room.open())
    (intent,) = room.farm.record.intents()
    room.farm.record.drifted(intent, "thyme:latest was <sha256:1> in the registry and is put back")
    room.delivery.deliver()
    room.client.xgroup_setid(OUTBOX, "slack", "0")
    room.delivery.deliver()
    assert [":warning: thyme:latest was &lt;sha256:1&gt; in the registry" in shown for shown in fake.heads] == [True]


@pytest.mark.parametrize(("when", "told"), [("change", 1), ("never", 0)])
def test_a_rollback_is_said_once_with_who_and_from_where_to_where(
    room: Room, fake: FakeSlack, when: str, told: int
) -> None:
    first, second = room.open(), room.open()
    for number in (first, second):
        room.farm.release(number)
    room.listen(when=when).deliver()
    assert not fake.messages  # a release is not told
    intent = room.farm.record.rollback("thyme", "latest", None, "jo <jo@example.com>")
    assert room.farm.record.checked(intent, 60)  # the registry has followed it
    for _ in range(2):
        room.client.xgroup_setid(OUTBOX, "slack", "0")
        room.delivery.deliver()
    page = "https://farm.example/pipelines/"
    head = ":rewind: jo &lt;jo@example.com&gt; rolled back *thyme:latest*"
    assert (
        fake.heads
        == [f"{head} from <{page}{second}|#{second}> to <{page}{first}|#{first}>\nChange a\n`6161616` by Ada"][:told]
    )


def test_a_post_whose_answer_was_lost_is_found_again(room: Room, fake: FakeSlack) -> None:
    fake.lost = 1
    room.run(passes=False)
    assert room.delivery.deliver() == 1.0
    assert (len(fake.messages), Book(room.client, "slack").read().waiting) == (1, "Slack answers 500")
    room.delivery.deliver()
    (root,) = fake.roots
    assert "conversations.history" in fake.calls
    assert len(fake.replies(root["ts"])) == 1


def test_what_a_dead_dispatcher_had_posted_is_found_again(room: Room, fake: FakeSlack, monkeypatch: Any) -> None:
    posted = Api.post

    def deadly(api: Api, method: str, body: Any) -> Any:
        posted(api, method, body)
        raise KeyboardInterrupt  # the end of the process, as far as this event can tell

    monkeypatch.setattr(Api, "post", deadly)
    room.run(passes=False)
    with pytest.raises(KeyboardInterrupt):
        room.delivery.deliver()
    monkeypatch.undo()
    room.listen().deliver()
    assert len(fake.roots) == 1


def test_a_reply_whose_answer_was_lost_is_found_again(room: Room, fake: FakeSlack, monkeypatch: Any) -> None:
    posted = Api.post

    def lossy(api: Api, method: str, body: Any) -> Any:
        fake.lost = int("thread_ts" in body)
        return posted(api, method, body)

    monkeypatch.setattr(Api, "post", lossy)
    room.run(passes=False)
    room.delivery.deliver()
    room.delivery.deliver()
    (root,) = fake.roots
    assert len(fake.replies(root["ts"])) == 1
    assert "conversations.replies" in fake.calls
    assert Book(room.client, "slack").read().behind == 0


def test_without_the_scope_to_look_it_is_rather_said_twice_than_never(room: Room, fake: FakeSlack) -> None:
    fake.scopes = {"chat:write"}
    fake.lost = 1
    room.run(passes=False)
    room.delivery.deliver()
    room.delivery.deliver()
    assert len(fake.roots) == 2
    assert Book(room.client, "slack").read().behind == 0


def test_a_message_that_somebody_deleted_is_posted_anew(room: Room, fake: FakeSlack) -> None:
    room.run(passes=False)
    room.delivery.deliver()
    fake.messages.clear()
    number = room.run(passes=False)
    room.delivery.deliver()
    (root,) = fake.roots
    assert f"|#{number} failed>" in head(root)


def test_authors_are_mentioned_by_the_map_and_nobody_else(room: Room, fake: FakeSlack) -> None:
    room.listen(people={"ada@example.com": "U0ADA"})
    number = room.open()
    room.farm.record.describe(number, subject="<!here> @channel <@U1>", author="Ada", email="ADA@example.com")
    room.end(number, passes=False)
    room.delivery.deliver()
    said = str(fake.messages)
    assert "by <@U0ADA>" in said
    assert "<!" not in said
    assert "<@U1" not in said
    assert "@channel" not in said
    assert all(block["text"]["verbatim"] for each in fake.messages for block in each["blocks"])


def test_a_repository_may_have_a_channel_of_its_own(room: Room, fake: FakeSlack) -> None:
    room.listen(channels={"thyme": "#thyme"})
    room.run(passes=False)
    room.run(passes=False)
    room.delivery.deliver()
    assert {each["channel"] for each in fake.messages} == {"C2"}
    assert len(fake.roots) == 1


@pytest.mark.parametrize(
    ("when", "roots", "replies"), [("change", 1, 3), ("failure", 1, 2), ("always", 3, 3), ("never", 0, 0)]
)
def test_when(room: Room, fake: FakeSlack, when: str, roots: int, replies: int) -> None:
    room.listen(when=when)
    for passes in (True, False, False, True, True):
        room.run(passes=passes)
        room.delivery.deliver()
    assert (len(fake.roots), len(fake.messages) - len(fake.roots)) == (roots, replies)


def test_another_branch_has_a_message_of_its_own(room: Room, fake: FakeSlack) -> None:
    room.run(passes=False)
    room.run(passes=False, ref="refs/heads/other")
    room.delivery.deliver()
    assert len(fake.roots) == 2


def test_slack_asks_for_patience(room: Room, fake: FakeSlack) -> None:
    fake.answers = [Answer(429, b'{"ok":false,"error":"ratelimited"}', {"Retry-After": "30"})]
    room.run(passes=False)
    assert room.delivery.deliver() == 30.0
    room.delivery.deliver()
    assert len(fake.roots) == 1
    assert "conversations.history" not in fake.calls


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"token": Secret("inline", "xoxb-another")}, "copy the Bot User OAuth Token once more (invalid_auth)"),
        ({"token": Secret("env", "NO_SUCH_VARIABLE")}, "NO_SUCH_VARIABLE, which should hold a secret, is empty"),
        ({"channel": "#nowhere"}, "the channel #nowhere is not there, or the bot may not see it"),
        ({"channel": "C9"}, "the channel C9 does not have the bot as a member; /invite it there (not_in_channel)"),
        ({"api": "http://127.0.0.1:1/api/"}, "Slack does not answer"),
    ],
)
def test_what_a_person_can_mend_is_said_and_waited_for(
    room: Room, fake: FakeSlack, changes: dict[str, Any], sentence: str
) -> None:
    room.listen(**changes)
    room.run(passes=False)
    assert room.delivery.deliver() == 1.0
    assert sentence in Book(room.client, "slack").read().waiting
    with pytest.raises(Later) as raised:
        room.bot.test()
    assert sentence in raised.value.sentence
    assert not fake.messages
    room.listen().deliver()
    assert len(fake.roots) == 1


def test_a_try_says_what_slack_answered(room: Room, fake: FakeSlack) -> None:
    answer = room.bot.test()
    assert answer == f"ok, as {fake.roots[0]['ts']} in C1"
