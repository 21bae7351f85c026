"""Slack, by a bot's token or by an incoming webhook: docs/slack.md. A farm has one of them, as the reporter `slack`."""

from farm.reporters.slack.bot import Bot
from farm.reporters.slack.webhook import Webhook

__all__ = ["Bot", "Webhook"]
