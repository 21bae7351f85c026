"""Outgoing webhooks: each event as a signed document to one address (docs/webhooks.md). No redirect is followed."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from time import time
from typing import Any
from urllib.parse import urlsplit

import httpx

from farm.errors import Refused
from farm.reporters import Later, News, Useless
from farm.reporters.answers import patience
from farm.reporters.signature import key_of, sign
from farm.settings import WebhookSettings

TIMEOUT = 10.0  # seconds to connect, and between two pieces of an answer
SHOWN = 200  # bytes of an answer that are repeated to a person
_ABOUT = ("step", "status", "detail", "image", "tag", "digest", "who", "before")


def document(news: News, web_url: str) -> dict[str, Any]:
    """Return what is sent; the pipeline is as it stands when it is sent."""
    at = datetime.fromtimestamp(int(news.id.partition("-")[0]) / 1000, UTC)
    number = news.pipeline.number
    about = {word: value for word in _ABOUT if (value := getattr(news, word)) not in ("", None)}
    data = {**about, "pipeline": news.pipeline.document(jobs=False), "url": f"{web_url}/pipelines/{number}"}
    return {"type": f"pipeline.{news.kind}", "timestamp": at.isoformat(), "data": data}


class Webhook:
    """The reporter that posts to one address what its settings ask for."""

    def __init__(self, name: str, settings: WebhookSettings, *, web_url: str) -> None:
        self.name = f"webhook-{name}"
        self.kinds: Collection[str] = settings.events
        self._settings = settings
        self._host = urlsplit(settings.url).netloc  # paths may be secret, too
        self._web_url = web_url
        self._http = httpx.Client(timeout=TIMEOUT, headers={"User-Agent": "farm"})

    def tell(self, news: News) -> None:
        """Post the event if its repository is one of those asked for."""
        if any(fnmatchcase(news.pipeline.repository, pattern) for pattern in self._settings.repositories):
            self._post(f"evt_{news.id}", document(news, self._web_url))

    def test(self) -> str:
        """Post a document of the type `test`."""
        now = datetime.now(UTC)
        return self._post(
            f"test_{int(now.timestamp() * 1000)}", {"type": "test", "timestamp": now.isoformat(), "data": {}}
        )

    def _post(self, identity: str, content: Mapping[str, Any]) -> str:
        body = json.dumps(content).encode()
        timestamp = int(time())
        try:
            key = key_of(self._settings.secret.reveal())
        except Refused as refusal:
            raise Later(str(refusal)) from refusal
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(key, identity, timestamp, body),
        }
        try:
            with self._http.stream("POST", self._settings.url, content=body, headers=headers) as answer:
                words = next(answer.iter_bytes(SHOWN), b"").decode("utf-8", "replace")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Later(f"{self._host} does not answer: {error or type(error).__name__}") from error
        said = f"{answer.status_code} {' '.join(words.split())}".rstrip()
        if answer.is_success:
            return said
        sentence = f"{self._host} answers {said}"
        if answer.status_code == httpx.codes.GONE:
            raise Useless(sentence)
        busy = answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS
        raise Later(sentence, patience(answer.headers), alone=not busy)
