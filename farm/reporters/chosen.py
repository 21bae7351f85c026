"""The reporters that the settings ask for. It opens no connection."""

from collections.abc import Callable, Iterator, Mapping

from redis import Redis

from farm.ledger import Ledger
from farm.record import Record
from farm.reporters import Reporter, slack
from farm.reporters.email import Email
from farm.reporters.forge import Statuses
from farm.reporters.tracker import Tracker
from farm.reporters.tracker.issues import GitHub, GitLab
from farm.reporters.tracker.jira import Jira
from farm.reporters.tracker.memory import Memory
from farm.reporters.tracker.pivotal import Pivotal
from farm.reporters.tracker.posts import Posts
from farm.reporters.tracker.reporter import Stories
from farm.reporters.webhook import Webhook
from farm.settings import KINDS, Settings, TrackerSettings

TRACKERS: Mapping[str, Callable[[TrackerSettings], Tracker]] = {
    "pivotal": Pivotal,
    "github": GitHub,
    "gitlab": GitLab,
    "jira": Jira,
    "webhook": Posts,
}


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
    for name, tracker in settings.trackers.items():
        reporter = f"tracker-{name}"
        yield Stories(
            reporter,
            TRACKERS[tracker.kind](tracker),
            tracker,
            memory=Memory(database, reporter),
            ledger=Ledger(database, settings.lease),
            home=settings.home,
            web_url=settings.web_url,
            note=Record(database, settings.lease).note,
        )
