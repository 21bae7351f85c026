"""Slack's Web API with a bot's token. A no of Slack's is a Refusal, an answer that may mean yes or no is a Silence."""

import logging
from collections.abc import Mapping
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from farm.errors import Refused
from farm.reporters import Later, Useless
from farm.reporters.answers import patience
from farm.settings import SlackSettings

TIMEOUT = 10  # seconds for one request

# What goes wrong is said once, by whoever tells the news.
_SILENT = logging.getLogger(__name__)
_SILENT.setLevel(logging.CRITICAL)

# Words of https://docs.slack.dev/reference/methods/chat.postMessage#errors that a person can mend, with how.
_CHANNEL = {
    "channel_not_found": "is not there, or the bot may not see it; mend `channel`, or /invite the bot there",
    "not_in_channel": "does not have the bot as a member; /invite it there",
    "is_archived": "is archived; name another as `channel`",
    "restricted_action": "does not let the bot post; ask an admin of the workspace",
}
_BOT = {
    "invalid_auth": "does not take the token; copy the Bot User OAuth Token once more",
    "not_authed": "got no token; see where `token` points",
    "account_inactive": "has the bot switched off; install the app again",
    "token_revoked": "has revoked the token; install the app again",
    "token_expired": "says that the token has expired; switch token rotation off, or copy a new one",
    "no_permission": "does not let the bot do this; see docs/slack.md for its scopes",
    "missing_scope": "lets the bot do this only with another scope; see docs/slack.md, and install the app again",
    "message_limit_exceeded": "takes no more messages of this workspace; see its plan",
    "request_timeout": "got only a part of the message",
    "team_added_to_org": "moves the workspace into an organisation",
}
# "It's possible some aspect of the operation succeeded before the error was raised."
_UNSURE = ("internal_error", "fatal_error", "service_unavailable")


class Refusal(Exception):
    """Slack has not done what it was asked; `word` is its own."""

    def __init__(self, word: str, channel: str = "", seconds: float | None = None) -> None:
        super().__init__(word, channel, seconds)
        self.word = word
        self.channel = channel
        self.seconds = seconds

    def outcome(self) -> Later | Useless:
        """Return what that means for the news."""
        if self.word in ("ratelimited", "rate_limited"):
            return Later("Slack asks for patience", self.seconds)
        if self.word in _CHANNEL:
            return Later(f"the channel {self.channel} {_CHANNEL[self.word]} ({self.word})", alone=True)
        if self.word in _BOT:
            return Later(f"Slack {_BOT[self.word]} ({self.word})")
        return Useless(f"Slack refuses the message: {self.word}")


class Silence(Exception):
    """Nobody knows whether Slack has done what it was asked."""


class Api:
    """Asks Slack. It tries nothing twice, for a message could then be there twice."""

    def __init__(self, settings: SlackSettings) -> None:
        self._settings = settings

    def post(self, method: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a method that writes; raises Refusal or Silence."""
        return self._call(method, str(body.get("channel", "")), json=dict(body))

    def read(self, method: str, query: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a method that reads; raises Refusal or Silence."""
        return self._call(method, str(query.get("channel", "")), params=dict(query))

    def _call(self, method: str, channel: str, **how: Any) -> Mapping[str, Any]:
        assert self._settings.token  # noqa: S101 - whoever made this reporter saw to it
        try:
            token = self._settings.token.reveal()
        except Refused as refusal:
            raise Later(str(refusal)) from refusal
        client = WebClient(token, base_url=self._settings.api, timeout=TIMEOUT, retry_handlers=[], logger=_SILENT)
        try:
            answer = client.api_call(method, **how)
        except SlackApiError as error:
            raise _judged(error, channel) from error
        except (OSError, ValueError) as error:
            raise Silence(f"Slack does not answer: {error}") from error
        return dict(answer.data) if isinstance(answer.data, dict) else {}


def _judged(error: SlackApiError, channel: str) -> Refusal | Silence:
    response: Any = error.response
    word = str(response.get("error") or "")
    if response.status_code == 429:  # noqa: PLR2004 - HTTP's own number
        return Refusal("ratelimited", channel, patience(response.headers))
    if not word.isidentifier() or word in _UNSURE:  # something in between has answered, or Slack itself does not know
        return Silence(f"Slack answers {response.status_code} {word if word in _UNSURE else ''}".rstrip())
    return Refusal(word, channel)
