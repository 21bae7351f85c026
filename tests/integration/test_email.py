"""E-mail through a real SMTP server with STARTTLS, a login, and a certificate of its own making."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings as hypothesis, strategies as st
from pydantic import ValidationError

from farm.pipeline import Pipeline, Status
from farm.report import Delivery, Desk
from farm.reporters import Later, News
from farm.reporters.email import Email
from farm.reporters.letter import address_of, failure, letter
from farm.reporters.standing import Book
from farm.settings import EmailSettings, Secret
from tests.mail import PASSWORD, USER, Mailbox, serving
from tests.records import Farm

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ports: Any) -> Iterator[Mailbox]:
    with serving(tmp_path_factory.mktemp("mail"), port=ports(1)[0]) as mailbox:
        yield mailbox


@pytest.fixture
def mailbox(server: Mailbox) -> Mailbox:
    for each in (server.mails, server.recipients, server.answers, server.encrypted):
        each.clear()
    return server


def settings(mailbox: Mailbox, **more: Any) -> EmailSettings:
    values = {
        "host": "localhost",
        "port": mailbox.port,
        "ca": mailbox.ca,
        "user": USER,
        "password": Secret("inline", PASSWORD),
        "sender": "farm@farm.example",
        "domains": {"*": ["example.com"]},
    }
    return EmailSettings(**(values | more))


class Room:
    """A farm whose pushes are Ada's, and the reporter that hears of them."""

    def __init__(self, client: Any, mailbox: Mailbox, **more: Any) -> None:
        self.farm, self.client = Farm(client), client
        self.email = Email(client, settings(mailbox, **more), web_url="https://farm.example")
        self.delivery = Delivery(client, self.email, Desk(self.farm.record, self.farm.logs))
        self.delivery.join()

    def run(self, old: str, new: str, *, passes: bool, email: str = "ada@example.com", subject: str = "Fix VAT") -> int:
        number = self.farm.open(old, new)
        self.farm.record.describe(number, subject=subject, author="Ada Lovelace", email=email)
        self.farm.end(number, passes=passes, said=b"make: broken\n.\n")
        return number

    def standing(self) -> Any:
        return Book(self.client, "email").read()


@pytest.fixture
def room(redis_client: Any, mailbox: Mailbox) -> Room:
    return Room(redis_client, mailbox)


def test_the_author_of_a_first_failure_hears_of_it_and_of_the_recovery(room: Room, mailbox: Mailbox) -> None:
    first = room.run("-", "a", passes=False)
    room.run("a", "b", passes=False, email="grace@example.com")
    third = room.run("b", "c", passes=True, email="grace@example.com")
    room.run("c", "d", passes=True)
    room.delivery.deliver()
    failed, mended = mailbox.mails
    assert mailbox.recipients == ["ada@example.com"] * 2
    assert mailbox.encrypted == [True, True]
    assert failed["To"] == "Ada Lovelace <ada@example.com>"
    assert failed["From"] == "farm <farm@farm.example>"
    assert failed["Subject"] == "[farm] thyme main failed: Fix VAT"
    assert failed["Auto-Submitted"] == "auto-generated"
    text = failed.get_content().replace("\r\n", "\n")
    assert f"https://farm.example/pipelines/{first}" in text
    assert "exit status 2" in text
    assert "    make: broken\n    ." in text
    assert mended["In-Reply-To"] == failed["Message-ID"] == mended["References"]
    assert "is green again" in mended["Subject"]
    assert "2 pushes" in mended.get_content()
    assert f"#{third} passed" in mended.get_content()
    assert room.standing().refused == 0
    assert room.client.ttl("farm:email:thyme:refs/heads/main") > 90 * 86400  # but not for ever: branches come and go


def test_addresses_of_strangers_are_not_written_to(room: Room, mailbox: Mailbox) -> None:
    room.run("-", "a", passes=False, email="ada@example.com.evil.example")
    room.run("a", "b", passes=True)
    room.run("b", "c", passes=False, email="ada@example.com, eve@evil.example")
    room.run("c", "d", passes=True)
    room.delivery.deliver()
    assert not mailbox.mails


def test_each_repository_may_have_domains_of_its_own(redis_client: Any, mailbox: Mailbox) -> None:
    room = Room(redis_client, mailbox, domains={"*": ["example.com"], "thyme": ["THYME.example"]})
    room.run("-", "a", passes=False)
    room.delivery.deliver()
    assert not mailbox.mails
    assert settings(mailbox, domains={"thyme": ["THYME.example"]}).allows("thyme", "thyme.EXAMPLE")
    assert not settings(mailbox, domains={"thyme": ["thyme.example"]}).allows("rose", "thyme.example")


def test_a_mailbox_that_is_full_holds_up_nobody_else(room: Room, mailbox: Mailbox) -> None:
    mailbox.answers = ["452 4.2.2 mailbox full"]
    room.run("-", "a", passes=False)
    room.delivery.deliver()
    assert room.standing().waiting.endswith("takes no mail for ada@example.com: 452 4.2.2 mailbox full")
    assert not mailbox.mails


def test_an_address_that_is_not_there_is_left(room: Room, mailbox: Mailbox) -> None:
    mailbox.answers = ["550 5.1.1 no such user"]
    room.run("-", "a", passes=False)
    room.run("a", "b", passes=False, email="grace@example.com")
    room.delivery.deliver()
    standing = room.standing()
    assert (standing.refused, standing.behind) == (1, 0)
    assert standing.lost.endswith("550 5.1.1 no such user")
    assert not mailbox.mails


def test_the_same_event_has_the_same_message_id(room: Room, mailbox: Mailbox, monkeypatch: Any) -> None:
    room.run("-", "a", passes=False)
    monkeypatch.setattr(room.email._redis, "hset", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        room.delivery.deliver()
    monkeypatch.undo()
    room.delivery.deliver()
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 1
    assert len(mailbox.mails) == 2
    room.delivery._again = True
    room.delivery.deliver()
    assert len(mailbox.mails) == 2


def test_a_try_says_what_the_server_answered(room: Room, mailbox: Mailbox) -> None:
    assert room.email.test() == "250 2.0.0 taken as 17"
    assert mailbox.recipients == ["farm@farm.example"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ca": None}, "is not who it should be; mend `host`, `port` or `ca`"),
        ({"host": "127.0.0.1"}, "is not who it should be; mend `host`, `port` or `ca`: IP address mismatch"),
        ({"password": Secret("inline", "wrong")}, "refuses the login; mend `user` and `password`: 535"),
        ({"user": None, "password": None}, "does not take mail from farm@farm.example: 530"),
        ({"security": "tls"}, "is not who it should be"),
        ({"port": 1}, "does not take mail: "),
        ({"ca": Path("/nowhere/ca.pem")}, "/nowhere/ca.pem cannot be read: no such file or directory; mend `ca`"),
        ({"ca": Path(__file__)}, f"{__file__} holds no certificates; mend `ca`"),
    ],
)
def test_what_a_person_can_mend_is_said(mailbox: Mailbox, changes: dict[str, Any], sentence: str) -> None:
    email = Email(None, settings(mailbox, **changes), web_url="")  # type: ignore[arg-type]
    with pytest.raises(Later) as raised:
        email.test()
    assert sentence in raised.value.sentence
    assert not mailbox.mails


def test_a_server_without_starttls_gets_no_password(tmp_path: Path, ports: Any) -> None:
    with serving(tmp_path, tls=False, port=ports(1)[0]) as mailbox:
        email = Email(None, settings(mailbox, ca=None), web_url="")  # type: ignore[arg-type]
        with pytest.raises(Later, match="does not offer what is asked of it"):
            email.test()
        plain = settings(mailbox, security="none", user=None, password=None, ca=None)
        assert Email(None, plain, web_url="").test() == "250 2.0.0 taken as 17"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [{"security": "none"}, {"security": "none", "host": "mail.example", "password": None}, {"user": None}]
    + [{"sender": sender} for sender in ("farm", "a@b\r\nBcc: c@d", "Farm <a@b>", "a@b,c@d")],
)
def test_settings_that_would_be_careless_are_refused(mailbox: Mailbox, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(mailbox, **changes)


odd = st.text(max_size=300) | st.sampled_from(["a\r\nBcc: eve@evil.example", "x\n\n.\nQUIT", "=?utf-8?q?=0ABcc:?="])
addresses = st.just("ada@example.com") | st.emails() | odd.map("ada@example.com".__add__)


@given(odd, odd | st.just("Ada"), odd, st.lists(odd, max_size=5), addresses)
@hypothesis(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_becomes_a_header(subject: str, author: str, reason: str, tail: Sequence[str], email: str) -> None:
    pipeline = Pipeline(
        *(1, "thyme", "refs/heads/main", "3f9c2e1" + "0" * 33, subject, author, "ada", Status.FAILED, reason),
        *(1.0, None, 2.0, None, (), ()),
        email=email,
    )
    to = address_of(pipeline)
    if to is None:
        assert email != "ada@example.com"
        return
    assert to.addr_spec == email
    news = News("finished", pipeline, tail=tail)
    raw = letter("farm@farm.example", to, *failure(news, ""), identity="<farm.1@farm.example>").as_bytes()
    head = raw.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    wanted = [b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted"]
    assert sorted(names) == sorted([*wanted, b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version"])
