"""`farm dispatcher`: the HTTP service and the loops beside it, in one process. Several may run side by side."""

import logging
import signal
import socket
import sys
from typing import Annotated
from urllib.parse import urlsplit

import structlog
import typer
import uvicorn

from farm.api import Service, create
from farm.cli.address import address_of
from farm.cli.house import House
from farm.errors import Refused
from farm.settings import Settings
from farm.settings.live import Live

GRACE = 2  # seconds that requests under way get when the process is told to end

log = structlog.get_logger()


def dispatcher(
    listen: Annotated[
        list[str] | None,
        typer.Option(help="ADDRESS:PORT to listen on, may be repeated. Default: that of the setting `url`."),
    ] = None,
) -> None:
    """Take pushes, turn them into pipelines, watch over those that run, and tell who wants to hear."""
    settings = _settings()
    addresses = [address_of(door) for door in listen or [urlsplit(settings.url).netloc]]
    _speak()
    doors = [_open(host, port) for host, port in addresses]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn ends at the signal and raises it again behind itself
    house = House(Live(settings))
    house.start()
    try:
        uvicorn.Server(_uvicorn(house.service)).run(sockets=doors)
    finally:
        house.stop()


def _settings() -> Settings:
    settings = Settings.load()
    if not settings.token:
        raise Refused("the farm has no token; run `farm up`, or set FARM_TOKEN to a long random word")
    return settings


def _uvicorn(service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        create(service),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
        server_header=False,
    )


def _open(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        door = socket.create_server((host, port), family=family)
    except OSError as error:
        words = f"nothing can listen on {host}:{port} ({error.strerror}); end what does, or give another --listen"
        typer.echo(f"farm: {words}", err=True)
        raise typer.Exit(1) from None
    # Those who come in inherit it. An answer goes out in two pieces, and on a kept connection the second would wait
    # 40 ms for the other side's word that it has the first; asyncio sets it only on sockets that it has opened itself.
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return door


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
