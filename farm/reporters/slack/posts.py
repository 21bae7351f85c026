"""Messages that are posted once, however often their event is told. It does not know what they say.

Slack has no word for "unless you have it": before a message is posted that is written down in Redis, behind it where it
stands. Where only the first is there (the process died, the answer got lost) the channel is searched for the event's id
in the metadata of messages. Without the scope for that (`channels:history`) the message is posted once more.
"""

from collections.abc import Mapping
from time import time
from typing import Any

import structlog
from redis import Redis

from farm.reporters import Later
from farm.reporters.slack.api import Api, Refusal, Silence
from farm.reporters.slack.message import Payload

KEPT = 3 * 86400  # seconds: longer than an event is tried
SKEW = 120.0  # seconds by which Slack's clock may be behind
PAGES, PAGE = 5, 200  # how far back one searches
EVENT = "farm_news"

log = structlog.get_logger()


class Posts:
    """Posts and edits; a place is the channel's id and the message's `ts`."""

    def __init__(self, database: Redis, api: Api) -> None:
        self._redis: Any = database
        self._api = api

    def once(self, event: str, part: str, channel: str, payload: Payload, **more: Any) -> tuple[str, str]:
        """Post a part of an event unless it is there; return its place. Raises Later or Useless."""
        key, mark = f"farm:slack:said:{event}", f"{event}/{part}"
        kept, _, ts = (self._redis.hget(key, part) or "").partition(" ")
        if ts:
            return kept, ts
        try:
            place = self._find(channel, mark, float(kept), more.get("thread_ts")) if kept else None
            if place is None:
                self._redis.hsetnx(key, part, f"{time():.6f}")
                self._redis.expire(key, KEPT)
                answer = self._post(channel, mark, payload, more)
                place = str(answer["channel"]), str(answer["ts"])
        except Refusal as refusal:
            self._redis.hdel(key, part)  # it is surely not there
            raise refusal.outcome() from refusal
        except Silence as silence:
            raise Later(str(silence)) from silence
        self._redis.hset(key, part, " ".join(place))
        self._redis.hset("farm:slack:channels", channel, place[0])
        return place

    def edit(self, channel: str, ts: str, payload: Payload) -> bool:
        """Make a message say something else; False when it is gone or may not be edited any more."""
        try:
            self._api.post("chat.update", {"channel": channel, "ts": ts, **payload})
        except Refusal as refusal:
            if refusal.word in ("message_not_found", "edit_window_closed", "cant_update_message"):
                return False
            raise refusal.outcome() from refusal
        except Silence as silence:
            raise Later(str(silence)) from silence
        return True

    def try_out(self, channel: str, payload: Payload) -> Mapping[str, Any]:
        """Post one message and return what Slack answers."""
        try:
            return self._post(channel, f"test/{time():.6f}", payload, {})
        except Refusal as refusal:
            raise refusal.outcome() from refusal
        except Silence as silence:
            raise Later(str(silence)) from silence

    def _post(self, channel: str, mark: str, payload: Payload, more: Mapping[str, Any]) -> Mapping[str, Any]:
        metadata = {"event_type": EVENT, "event_payload": {"id": mark}}
        quiet = {"unfurl_links": False, "unfurl_media": False}
        return self._api.post(
            "chat.postMessage", {"channel": channel, "metadata": metadata, **quiet, **payload, **more}
        )

    def _find(self, channel: str, mark: str, since: float, thread: str | None) -> tuple[str, str] | None:
        """Return where the message is that may have been posted since then, None when it is not there or not found."""
        known = self._redis.hget("farm:slack:channels", channel) or channel
        query = {"channel": known, "oldest": f"{since - SKEW:.6f}", "limit": PAGE, "include_all_metadata": True}
        method = "conversations.replies" if thread else "conversations.history"
        if thread:
            query["ts"] = thread
        for _ in range(PAGES):
            try:
                answer = self._api.read(method, query)
            except Refusal as refusal:
                if isinstance(outcome := refusal.outcome(), Later) and outcome.seconds is not None:
                    raise outcome from refusal  # it will answer
                log.warning("slack.unsure", message=mark, error=refusal.word)
                return None
            for message in answer.get("messages", ()):
                if (message.get("metadata") or {}).get("event_payload", {}).get("id") == mark:
                    return known, str(message["ts"])
            query["cursor"] = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not query["cursor"]:
                break
        return None
