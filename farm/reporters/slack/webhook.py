"""Slack by an incoming webhook: a message for each turn of a branch. A webhook can neither edit nor thread."""

from collections.abc import Collection
from typing import Any

from redis import Redis
from slack_sdk.webhook import WebhookClient

from farm.errors import Refused
from farm.reporters import Later, News, Useless
from farm.reporters.answers import patience
from farm.reporters.slack.message import Payload, drift, message, rollback, trial
from farm.reporters.streak import KEPT, Streak, follow
from farm.settings import SlackSettings

TIMEOUT = 5  # seconds for one request


class Webhook:
    """The reporter that posts to one webhook; it remembers in Redis how each branch stood when it last said so."""

    name = "slack"
    kinds: Collection[str] = ("finished", "rolledback", "drift")

    def __init__(self, database: Redis, settings: SlackSettings, *, web_url: str) -> None:
        self._redis: Any = database
        self._settings = settings
        self._web_url = web_url

    def tell(self, news: News) -> None:
        """Post the message if the branch's story calls for one, then remember the story."""
        if news.kind == "drift":
            if self._settings.when != "never":
                self._post(drift(news, self._web_url))
            return
        when = self._settings.wish(news.when)
        if news.kind == "rolledback":
            if when != "never":
                self._post(rollback(news, self._web_url))
            return
        key = f"farm:slack:{news.pipeline.repository}:{news.pipeline.ref}"
        before = Streak.read(self._redis.hgetall(key))
        after, worth = follow(before, news.pipeline, when)
        if worth:
            person = self._settings.person(news.pipeline.email)
            self._post(message(news, self._web_url, before, person=person))
        if after and after != before:
            self._redis.hset(key, mapping=after.fields())
            self._redis.expire(key, KEPT)

    def test(self) -> str:
        """Post one message."""
        return self._post(trial(self._web_url))

    def _post(self, payload: Payload) -> str:
        assert self._settings.webhook  # noqa: S101 - whoever made this reporter saw to it
        try:
            client = WebhookClient(self._settings.webhook.reveal(), timeout=TIMEOUT, retry_handlers=[])
            response = client.send(text=payload["text"], blocks=payload["blocks"])
        except Refused as refusal:
            raise Later(str(refusal)) from refusal
        except (OSError, ValueError) as error:  # refused, hung, or an answer that is no HTTP
            raise Later(f"Slack does not answer: {error}") from error
        if response.status_code == 429:  # noqa: PLR2004 - HTTP's own number
            raise Later("Slack asks for patience", patience(response.headers))
        if response.status_code >= 500:  # noqa: PLR2004
            raise Later(f"Slack answers {response.status_code}")
        if response.status_code != 200:  # noqa: PLR2004
            raise Useless(f"Slack refuses the message with {response.status_code} {response.body[:200]!r}")
        return response.body[:200]
