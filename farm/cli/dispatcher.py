"""`farm dispatcher`: the HTTP service and the loops beside it, in one process. Several may run side by side."""

import logging
import signal
import socket
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

import structlog
import typer
import uvicorn
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError, RedisError, TimeoutError as RedisTimeoutError
from redis.retry import Retry

from farm import reconcile
from farm.access import Access
from farm.api import Service, create
from farm.dispatch import Dispatcher
from farm.errors import Errored, Refused
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
from farm.settings import Settings
from farm.spools import Spools
from farm.webhooks import Webhooks

GRACE = 2  # seconds that requests under way get when the process is told to end

log = structlog.get_logger()


def dispatcher(
    listen: Annotated[
        list[str] | None,
        typer.Option(help="ADDRESS:PORT to listen on, may be repeated. Default: that of the setting `url`."),
    ] = None,
) -> None:
    """Take pushes, turn them into pipelines, watch over those that run, and tell who wants to hear."""
    try:
        settings = _settings()
        addresses = [_address(door) for door in listen or [urlsplit(settings.url).netloc]]
    except Refused as error:
        typer.echo(f"farm: {error}", err=True)
        raise typer.Exit(2) from None
    _speak()
    doors = [_open(host, port) for host, port in addresses]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn ends at the signal and raises it again behind itself
    house = _House(settings)
    house.start()
    try:
        uvicorn.Server(_uvicorn(house.service)).run(sockets=doors)
    finally:
        house.stop()


@dataclass(slots=True)
class _House:
    """The parts of one dispatcher, put together."""

    settings: Settings
    service: Service = field(init=False)
    loops: Loops = field(init=False)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _deliveries: list[Delivery] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = self.settings
        client = connect(settings)
        record, ledger = Record(client, settings.lease), Ledger(client, settings.lease)
        logs = Logs(client, head=settings.log_head, tail=settings.log_tail, budget=settings.log_budget)
        intake = Intake(Dispatcher(record, ledger, settings, check=self._check))
        registry = Registry(settings.registry, plain=settings.registry_plain, user_timeout=settings.lease * 0.8)
        garbage = Garbage(record, registry, settings.farm_id, settings.keep_images)
        remotes = Remotes(ledger, intake, settings.poll)
        webhooks, access = Webhooks(ledger, intake), Access(settings.token, ledger)
        self.service = Service(settings, record, ledger, logs, intake, access, garbage, remotes, webhooks)
        desk = Desk(record, logs)
        self._deliveries = [Delivery(client, reporter, desk) for reporter in reporters_of(settings, client)]
        work = [
            Loop("reaper", partial(reconcile.reap, record, ledger)),
            Loop("pushes", intake.look),
            Loop("webhooks", webhooks.look),
            Loop("remotes", remotes.look),
            Loop(f"spools-{socket.gethostname()}", Spools(ledger).look),
            Loop("tags", partial(reconcile.settle_tags, record, registry)),
            Loop("forget", partial(reconcile.forget, record, days=settings.keep_days, keep=settings.keep_pipelines)),
            Loop("images", garbage.loop),
            *(Loop(f"report-{delivery.reporter.name}", delivery.deliver) for delivery in self._deliveries),
        ]
        self.loops = Loops(record.hold, work)

    def start(self) -> None:
        """Join the outbox first, so that nothing of what the loops do goes by unheard."""
        try:
            for delivery in self._deliveries:
                delivery.join()
        except RedisError as error:
            log.warning("redis.away", error=str(error))  # the loops try again
        self.loops.start()

    def stop(self) -> None:
        """End the loops and whatever git is at."""
        self._stopping.set()
        self.service.intake.close()
        self.loops.stop()

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Errored("the dispatcher was told to end")


def _settings() -> Settings:
    settings = Settings.load()
    if not settings.token:
        raise Refused("the farm has no token; run `farm up`, or set FARM_TOKEN to a long random word")
    return settings


def connect(settings: Settings) -> "Redis":
    """Return a client that gives up soon: whoever asks over HTTP waits, and the loops come again."""
    return Redis.from_url(
        settings.redis_url,
        decode_responses=True,
        socket_timeout=5,
        socket_connect_timeout=2,
        retry=Retry(ConstantBackoff(0.05), 1),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )


def _uvicorn(service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        create(service),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
        server_header=False,
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise Refused(f"{text!r} is no ADDRESS:PORT to listen on; give one such as 127.0.0.1:8440 with --listen")
    return host.strip("[]"), int(port)


def _open(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        words = f"nothing can listen on {host}:{port} ({error.strerror}); end what does, or give another --listen"
        typer.echo(f"farm: {words}", err=True)
        raise typer.Exit(1) from None


def _speak() -> None:
    """Write one line an event to the error stream; libraries only when something is wrong."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
