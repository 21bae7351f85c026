"""The reporters that the settings ask for. It opens no connection."""

from collections.abc import Iterator

from redis import Redis

from farm.reporters import Reporter, slack
from farm.reporters.email import Email
from farm.reporters.webhook import Webhook
from farm.settings import Settings


def reporters_of(settings: Settings, database: Redis) -> Iterator[Reporter]:
    """Return each reporter under a name of its own; what it remembers goes into `database`, under that name."""
    if settings.slack and settings.slack.token:
        yield slack.Bot(database, settings.slack, web_url=settings.web_url)
    elif settings.slack and settings.slack.webhook:
        yield slack.Webhook(database, settings.slack, web_url=settings.web_url)
    if settings.email:
        yield Email(database, settings.email, web_url=settings.web_url)
    for name, webhook in settings.webhooks.items():
        yield Webhook(name, webhook, web_url=settings.web_url)
