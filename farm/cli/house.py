"""The parts of one dispatcher, put together, and what it repeats. It listens to nobody."""

import socket
import threading
from dataclasses import dataclass, field
from functools import partial

import structlog
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError, RedisError
from redis.retry import Retry

from farm import git, reconcile
from farm.access import Access
from farm.api import Service
from farm.artifacts import Expiry, Store
from farm.dispatch import Dispatcher
from farm.errors import Errored
from farm.garbage import Garbage
from farm.intake import Intake
from farm.ledger import Ledger
from farm.logs import Logs
from farm.loops import Loop, Loops
from farm.record import Record
from farm.registry import Registry
from farm.remotes import Remotes
from farm.report import Delivery, Desk
from farm.reporters.chosen import reporters_of
from farm.schedules import Schedules, Slots
from farm.settings import Settings
from farm.settings.live import LOOK, Live
from farm.spools import Spools
from farm.trigger import Trigger
from farm.webhooks import Webhooks

ROOM = 600.0  # seconds between two looks at the room that this dispatcher's mirrors take

log = structlog.get_logger()


@dataclass(slots=True)
class House:
    """One dispatcher. When farm.yml changes, `apply` gives its parts what holds from then on."""

    live: Live
    service: Service = field(init=False)
    loops: Loops = field(init=False)
    _redis: Redis = field(init=False)
    _desk: Desk = field(init=False)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _deliveries: dict[str, Delivery] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = self.live.settings
        client = self._redis = connect(settings)
        record, ledger = Record(client, settings.lease), Ledger(client, settings.lease)
        logs = Logs(client, head=settings.log_head, tail=settings.log_tail, budget=settings.log_budget)
        self._desk = Desk(record, logs)
        intake = Intake(Dispatcher(record, ledger, settings, check=self._check))
        registry = Registry(
            settings.registry,
            plain=settings.registry_plain,
            user_timeout=settings.lease * 0.8,
            login=self._registry_login,
        )
        garbage = Garbage(record, registry, settings.farm_id, settings.keep_images)
        remotes = Remotes(ledger, intake, settings.poll)
        webhooks, access = Webhooks(ledger, intake), Access(settings.token, ledger)
        artifacts = Store(settings.artifacts_url)
        self.service = Service(
            settings, record, ledger, logs, intake, access, garbage, remotes, webhooks, artifacts, live=self.live
        )
        slots = Slots(client)
        schedules = Schedules(lambda: self.live.settings, slots, Trigger(ledger, intake), slots.now)
        work = [
            Loop("reaper", partial(reconcile.reap, record, ledger)),
            Loop("pushes", intake.look),
            Loop("webhooks", webhooks.look),
            Loop("remotes", remotes.look),
            Loop(f"spools-{socket.gethostname()}", Spools(ledger).look),
            Loop("schedules", schedules.look),
            Loop("tags", partial(reconcile.settle_tags, record, registry)),
            Loop("forget", self._forget),
            Loop("images", garbage.loop),
            Loop("artifacts", Expiry(record, artifacts).loop),
            Loop("settings", self._look, shared=False),
            Loop("mirrors", self._trim, shared=False),
        ]
        self.loops = Loops(record.hold, work)
        self._tell(settings)

    def start(self) -> None:
        """Join the outbox first, so that nothing of what the loops do goes by unheard."""
        for delivery in self._deliveries.values():
            _join(delivery)
        self.loops.start()

    def stop(self) -> None:
        """End the loops and whatever git is at."""
        self._stopping.set()
        self.service.intake.close()
        self.loops.stop()

    def apply(self, settings: Settings) -> None:
        """Give each part what holds from now on; what a part is at ends as it began."""
        self.service.settings = self.service.intake.dispatcher.settings = settings
        self.service.garbage.keep = settings.keep_images
        self.service.remotes.period = settings.poll
        self._tell(settings)

    def _tell(self, settings: Settings) -> None:
        """Have the reporters that the settings ask for told, each by a loop of its own, and no others."""
        wanted = {reporter.name: reporter for reporter in reporters_of(settings, self._redis)}
        for name in self._deliveries.keys() - wanted.keys():
            del self._deliveries[name]
            self.loops.drop(f"report-{name}")
        for name, reporter in wanted.items():
            if name in self._deliveries:
                self._deliveries[name].reporter = reporter
                continue
            delivery = self._deliveries[name] = Delivery(self._redis, reporter, self._desk)
            if self.loops.running:
                _join(delivery)
            self.loops.add(Loop(f"report-{name}", delivery.deliver))

    def _registry_login(self) -> tuple[str, str] | None:
        return self.live.settings.registry_login()

    def _look(self) -> float:
        if settings := self.live.look():
            self.apply(settings)
        return LOOK

    def _forget(self) -> float:
        settings = self.live.settings
        return reconcile.forget(self.service.record, days=settings.keep_days, keep=settings.keep_pipelines)

    def _trim(self) -> float:
        git.trim(self.live.settings.home, self.live.settings.mirrors_max)
        return ROOM

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Errored("the dispatcher was told to end")


def connect(settings: Settings) -> Redis:
    """Return a client that gives up soon: whoever asks over HTTP waits, and the loops come again.

    What a Redis that is frozen was sent it does when it goes on, so that is not sent twice.
    """
    return Redis.from_url(
        settings.redis_url,
        decode_responses=True,
        socket_timeout=2.5,
        socket_connect_timeout=2,
        retry=Retry(ConstantBackoff(0.05), 1, (RedisConnectionError,)),
    )


def _join(delivery: Delivery) -> None:
    try:
        delivery.join()
    except RedisError as error:
        log.warning("redis.away", error=str(error))  # the loop tries again
