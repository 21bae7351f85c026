"""A tracker that the farm does not know, told by posts that are signed as Standard Webhooks says (docs/trackers.md)."""

from collections.abc import Sequence
from time import time

import httpx

from farm.reporters.posting import Posting
from farm.reporters.tracker import Mention, Occasion, Unheard
from farm.reporters.tracker.syntax import bracketed
from farm.settings import TrackerSettings


class Posts:
    """One address that hears of stories: `story.mentioned`, `.finished`, `.delivered`, `.reopened`."""

    def __init__(self, settings: TrackerSettings) -> None:
        self._posting = Posting(settings.home, settings.token)

    def read(self, message: str, repository: str) -> Sequence[Mention]:
        """Return what stands in brackets."""
        del repository
        return bracketed(message)

    def announce(self, mentions: Sequence[Mention], occasion: Occasion) -> Sequence[str]:
        """Post each story that the commit names."""
        wrong = []
        for mention in mentions:
            try:
                self._post("mentioned", mention, occasion)
            except Unheard as unheard:
                wrong.append(str(unheard))
        return wrong

    def finish(self, mention: Mention, occasion: Occasion) -> None:
        """Post that the tests have passed."""
        self._post("finished", mention, occasion)

    def deliver(self, mention: Mention, occasion: Occasion) -> None:
        """Post that the image is `latest`."""
        self._post("delivered", mention, occasion)

    def reopen(self, mention: Mention, occasion: Occasion, who: str) -> None:
        """Post that the image was taken back."""
        self._post("reopened", mention, occasion, who=who)

    def test(self) -> str:
        """Post a document of the type `test`."""
        return self._send(f"test_{int(time())}", {"type": "test", "data": {}}, "a test")

    def _post(self, what: str, mention: Mention, occasion: Occasion, **more: str) -> None:
        commit = occasion.commit
        data = {
            "story": mention.story,
            "act": mention.act,
            "repository": occasion.repository,
            "commit": {"id": commit.id, "message": commit.message, "author": commit.author},
            "pipeline": occasion.number,
            "url": occasion.link,
            **more,
        }
        identity = f"story_{what}_{occasion.number}_{commit.id[:12]}_{mention.story}"
        self._send(identity, {"type": f"story.{what}", "data": data}, f"story {mention.story}")

    def _send(self, identity: str, document: object, about: str) -> str:
        status, said = self._posting.post(identity, document)
        if not httpx.codes.is_success(status):
            raise Unheard(f"the tracker refuses {about}: {said}")
        return said
