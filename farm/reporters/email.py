"""E-mail to the author of a branch's first failure, and to the same person when it is green again (docs/email.md).

Addresses are what commits say, so only those in the domains that the settings allow are written to. How each branch
stands, and who was written to, is in Redis under `farm:email:<repository>:<ref>`.
"""

from collections.abc import Collection, Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from time import time
from typing import Any

from redis import Redis

from farm.reporters import News, Useless
from farm.reporters.letter import address_of, failure, letter, recovery
from farm.reporters.mailer import Mailer
from farm.reporters.streak import BAD, KEPT, Streak, follow
from farm.settings import EmailSettings

Written = Mapping[str, str]  # who was written to of a branch, and the Message-ID
_NOBODY: Written = {"to": "", "message": ""}


class Email:
    """The reporter that writes to authors; a mail that is sent twice has the same Message-ID."""

    name = "email"
    kinds: Collection[str] = ("finished",)

    def __init__(self, database: Redis, settings: EmailSettings, *, web_url: str) -> None:
        self._redis: Any = database
        self._settings = settings
        self._web_url = web_url
        self._mailer = Mailer(settings)

    def tell(self, news: News) -> None:
        """Write if the branch's story calls for it, then remember the story."""
        pipeline = news.pipeline
        key = f"farm:email:{pipeline.repository}:{pipeline.ref}"
        story: dict[str, str] = self._redis.hgetall(key)
        before = Streak.read(story)
        after, turned = follow(before, pipeline, "change")
        if not after or after == before:
            return
        written: Written = {name: story.get(name, "") for name in _NOBODY}
        refusal: Useless | None = None
        if turned:
            try:
                written = self._turned(news, before, written)
            except Useless as useless:  # nobody else is to be written to for it at the next push
                written, refusal = _NOBODY, useless
        self._redis.hset(key, mapping={**after.fields(), **written})
        self._redis.expire(key, KEPT)
        if refusal:
            raise refusal

    def test(self) -> str:
        """Write to the farm's own address."""
        own = self._settings.sender
        words = f"The farm's e-mail works: {self._web_url}/pipelines\n"
        identity = self._identity(f"test-{time():.6f}")
        return self._mailer.send(
            own, letter(own, Address(addr_spec=own), "a test of the farm", words, identity=identity)
        )

    def _turned(self, news: News, before: Streak | None, written: Written) -> Written:
        if news.pipeline.status in BAD:
            return self._failed(news)
        if before and written["to"]:
            self._mended(news, before, written)
        return _NOBODY

    def _failed(self, news: News) -> Written:
        to = address_of(news.pipeline)
        if to is None or not self._settings.allows(news.pipeline.repository, to.domain):
            return _NOBODY
        identity = self._identity(news.id)
        self._send(to, letter(self._settings.sender, to, *failure(news, self._web_url), identity=identity))
        return {"to": to.addr_spec, "message": identity}

    def _mended(self, news: News, before: Streak, written: Written) -> None:
        to, subject_and_text = Address(addr_spec=written["to"]), recovery(news, self._web_url, before)
        identity = self._identity(news.id)
        self._send(
            to, letter(self._settings.sender, to, *subject_and_text, identity=identity, answers=written["message"])
        )

    def _send(self, to: Address, mail: EmailMessage) -> None:
        self._mailer.send(to.addr_spec, mail)

    def _identity(self, event: str) -> str:
        return f"<farm.{event}@{self._settings.sender.rpartition('@')[2]}>"
