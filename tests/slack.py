"""A strict local Slack: its Web API for one bot and one incoming webhook. It refuses what Slack's documents refuse."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.receiver import Answer, Receiver, Request, receiving

TOKEN = "xoxb-of-a-test"
POST = {"channel", "text", "blocks", "metadata", "thread_ts", "reply_broadcast", "unfurl_links", "unfurl_media"}
UPDATE = {"channel", "ts", "text", "blocks", "metadata"}


def objections(payload: Mapping[str, Any]) -> str | None:  # noqa: PLR0911 - one word for each mistake
    """Return Slack's error word for text and blocks that it would not take."""
    text, blocks = payload.get("text"), payload.get("blocks")
    if not isinstance(text, str) or not text:
        return "no_text"
    if length(text) > 40_000:
        return "msg_too_long"
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 50:
        return "invalid_blocks"
    for block in blocks:
        content = block.get("text", {})
        if block.get("type") != "section" or set(block) != {"type", "text"}:
            return "invalid_blocks"
        if content.get("type") != "mrkdwn" or set(content) - {"type", "text", "verbatim"}:
            return "invalid_blocks"
        if not isinstance(content.get("verbatim", False), bool) or not 1 <= length(content["text"]) <= 3000:
            return "invalid_blocks"
    return None


def length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


class FakeSlack:
    """One workspace; `answers` are given first, one a request, "lost" does what is asked and answers 500."""

    server: Receiver

    def __init__(self) -> None:
        self.channels = {"C1": "#builds", "C2": "#thyme"}
        self.strange = {"C9"}  # channels without the bot
        self.scopes = {"chat:write", "channels:history"}
        self.messages: list[dict[str, Any]] = []
        self.edits = 0
        self.calls: list[str] = []
        self.lost = 0  # of so many next requests the answer gets lost
        self._lock = threading.Lock()
        self._clock = 1_700_000_000

    @property
    def answers(self) -> list[Any]:
        return self.server.answers

    @answers.setter
    def answers(self, answers: list[Any]) -> None:
        self.server.answers = answers

    @property
    def webhook(self) -> str:
        return f"{self.server.url}/services/T/B/secret"

    @property
    def api(self) -> str:
        return f"{self.server.url}/api/"

    @property
    def heads(self) -> list[str]:
        return [head(message) for message in self.messages]

    @property
    def roots(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if "thread_ts" not in message]

    def replies(self, ts: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message.get("thread_ts") == ts]

    def shutdown(self) -> None:
        self.server.shutdown()

    def server_close(self) -> None:
        self.server.server_close()

    def judge(self, request: Request) -> Answer:
        with self._lock:
            url = urlsplit(request.path)
            if url.path.startswith("/services/"):
                return self._incoming(request)
            method = url.path.removeprefix("/api/")
            self.calls.append(method)
            bearer = request.headers.get("authorization", "")
            if not bearer:
                return said({"ok": False, "error": "not_authed"})
            if bearer != f"Bearer {TOKEN}":
                return said({"ok": False, "error": "invalid_auth"})
            if method.startswith("chat."):
                if not re.fullmatch(
                    r"application/json; ?charset=utf-8", request.headers["content-type"], re.IGNORECASE
                ):
                    return said({"ok": False, "error": "invalid_post_type"})
                arguments = json.loads(request.body)
            else:
                arguments = dict(parse_qsl(request.body.decode(), strict_parsing=True))
            call = {
                "chat.postMessage": self._post,
                "chat.update": self._update,
                "conversations.history": self._read,
                "conversations.replies": self._read,
            }.get(method)
            done = call(arguments) if call else {"ok": False, "error": "unknown_method"}
            if self.lost and done["ok"]:
                self.lost -= 1
                return Answer(500, b"<html>a proxy in between</html>")
            return said(done)

    def _incoming(self, request: Request) -> Answer:
        payload = json.loads(request.body)
        if request.headers["content-type"] != "application/json;charset=utf-8" or set(payload) - {"text", "blocks"}:
            return Answer(400, b"invalid_payload")
        if wrong := objections(payload):
            return Answer(400, wrong.encode())
        self.messages.append({**payload, "channel": "C1", "ts": self._now()})
        return Answer()

    def _post(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: PLR0911 - one word for each mistake
        channel = next((each for each, name in self.channels.items() if arguments["channel"] in (each, name)), None)
        if arguments["channel"] in self.strange:
            return no("not_in_channel")
        if channel is None:
            return no("channel_not_found")
        if set(arguments) - POST:
            return no("invalid_arguments")
        if wrong := objections(arguments):
            return no(wrong)
        if not re.fullmatch(r"[a-z0-9_]+", arguments["metadata"]["event_type"]):
            return no("invalid_metadata_format")
        thread = arguments.get("thread_ts")
        if thread and not any(root["ts"] == thread and root["channel"] == channel for root in self.roots):
            return no("cannot_reply_to_message")
        message = {**arguments, "channel": channel, "ts": self._now()}
        self.messages.append(message)
        return {"ok": True, "channel": channel, "ts": message["ts"], "message": message}

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["channel"] not in self.channels:
            return no("channel_not_found")
        if set(arguments) - UPDATE:
            return no("invalid_arguments")
        if wrong := objections(arguments):
            return no(wrong)
        for message in self.messages:
            if (message["channel"], message["ts"]) == (arguments["channel"], arguments["ts"]):
                message.update(arguments)
                self.edits += 1
                return {"ok": True, "channel": message["channel"], "ts": message["ts"], "text": message["text"]}
        return no("message_not_found")

    def _read(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if "channels:history" not in self.scopes:
            return no("missing_scope") | {"needed": "channels:history", "provided": ",".join(self.scopes)}
        if arguments["channel"] not in self.channels:
            return no("channel_not_found")
        thread = arguments.get("ts")
        found = [
            message
            for message in self.messages
            if message["channel"] == arguments["channel"]
            and message["ts"] >= arguments["oldest"]
            and (thread in (message["ts"], message.get("thread_ts")) if thread else "thread_ts" not in message)
        ]
        begin, size = int(arguments.get("cursor") or 0), int(arguments["limit"])
        page = (found if thread else found[::-1])[begin : begin + size]
        shown = [
            message if arguments.get("include_all_metadata") in ("1", "true", "True") else {**message, "metadata": None}
            for message in page
        ]
        more = begin + size < len(found)
        cursor = {"response_metadata": {"next_cursor": str(begin + size)}} if more else {}
        return {"ok": True, "messages": shown, "has_more": more, **cursor}

    def _now(self) -> str:
        self._clock += 1
        return f"{self._clock + 1_000_000_000}.000100"  # later than anything that a test writes down


def no(word: str) -> dict[str, Any]:
    return {"ok": False, "error": word}


def said(answer: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json; charset=utf-8"})


def head(message: Mapping[str, Any]) -> str:
    return str(message["blocks"][0]["text"]["text"])


@contextmanager
def serving() -> Iterator[FakeSlack]:
    fake = FakeSlack()
    with receiving(fake.judge) as server:
        fake.server = server
        yield fake
