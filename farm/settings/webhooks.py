"""What a farm says about outgoing webhooks. It posts nothing."""

from typing import Literal

from farm.settings.secret import Secret
from farm.settings.values import HttpUrl, Values

Kind = Literal["created", "queued", "step", "finished", "released", "rolledback", "drift"]


class WebhookSettings(Values):
    """One address that is told what happens to pipelines."""

    url: HttpUrl
    """Where to post; without a user's name in it."""
    secret: Secret
    """What the posts are signed with: `whsec_` and the base64 of 24 to 64 bytes."""
    events: tuple[Kind, ...] = ("finished", "released", "rolledback", "drift")
    """Which events are posted."""
    repositories: tuple[str, ...] = ("*",)
    """Of which repositories: names, or patterns such as `web-*`."""
