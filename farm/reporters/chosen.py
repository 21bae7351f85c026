"""The reporters that the settings ask for. It opens no connection."""

from collections.abc import Iterator

from redis import Redis

from farm.reporters import Reporter, slack
from farm.reporters.email import Email
from farm.reporters.forge import Statuses
from farm.reporters.webhook import Webhook
from farm.settings import KINDS, Settings


def reporters_of(settings: Settings, database: Redis) -> Iterator[Reporter]:
    """Return each reporter under a name of its own; what it remembers goes into `database`, under that name."""
    if settings.slack and settings.slack.token:
        yield slack.Bot(database, settings.slack, web_url=settings.web_url)
    elif settings.slack and settings.slack.webhook:
        yield slack.Webhook(database, settings.slack, web_url=settings.web_url)
    if settings.email:
        yield Email(database, settings.email, web_url=settings.web_url)
    for kind in KINDS:
        projects = [own.forge for own in settings.repositories.values() if own.forge and own.forge.kind == kind]
        if any(settings.forge_token(project) for project in projects):
            yield Statuses(kind, database, settings)
    for name, webhook in settings.webhooks.items():
        yield Webhook(name, webhook, web_url=settings.web_url)
