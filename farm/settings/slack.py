"""What a farm says about Slack. It posts nothing."""

from typing import Literal

from farm.settings.secret import Secret
from farm.settings.values import Values


class SlackSettings(Values):
    """Where Slack hears of results, and of which."""

    webhook: Secret | None = None
    """The address of an incoming webhook, which is a secret."""
    when: Literal["always", "change", "failure", "never"] = "change"
    """Of which results: always, change (a branch breaks, or is mended), failure, never."""
