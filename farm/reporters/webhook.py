"""Outgoing webhooks: each event as a signed document to one address (docs/webhooks.md). No redirect is followed."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import httpx

from farm.reporters import Later, News, Useless
from farm.reporters.posting import Posting
from farm.settings import WebhookSettings

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
        self._posting = Posting(settings.url, settings.secret)
        self._web_url = web_url

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
        status, said = self._posting.post(identity, content)
        if httpx.codes.is_success(status):
            return said
        sentence = f"{self._posting.host} answers {said}"
        raise Useless(sentence) if status == httpx.codes.GONE else Later(sentence, alone=True)
