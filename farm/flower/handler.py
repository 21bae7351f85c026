"""What all doors of the pages share: where the record is, who asks, what an answer looks like, work in threads.

Flower has one event loop: nothing here waits for Redis on it.
"""

import asyncio
import contextlib
from base64 import b64decode
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, ParamSpec, TypeVar

import redis
import structlog
from flower.views import BaseHandler
from markupsafe import Markup
from tornado.iostream import StreamClosedError

from farm.artifacts import Store
from farm.errors import Refused
from farm.flower import pages
from farm.flower.site import Page, Site
from farm.logs import Logs
from farm.record import Record
from farm.settings import Settings
from farm.settings.started import Started, of_pages

P = ParamSpec("P")
T = TypeVar("T")
# So long in seconds one answer serves all who ask the same.
GLANCE = 0.25
# A page that says that Redis is away is loaded again after so many seconds.
AGAIN = 3
# Logs are strangers' text: should an escape slip through, no script of theirs runs.
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="farm-pages")
_log = structlog.get_logger()
_glances: dict[Hashable, asyncio.Future[Any]] = {}


def sources() -> tuple[Record, Logs]:
    """Return the record and the logs; a farm.yml that says otherwise than at the first use is told in the log."""
    _started().look()
    return _connected()


def store() -> Store:
    """Return where the dispatcher keeps artifacts."""
    return Store(_settings().artifacts_url)


def web_url() -> str:
    """Return where people see the pages."""
    return _settings().web_url


@cache
def _settings() -> Settings:
    return Settings.load()


@cache
def _started() -> Started:
    return Started("pages", _settings(), of_pages)


@cache
def _connected() -> tuple[Record, Logs]:
    settings = _settings()
    url, limits = settings.redis_url, {"socket_timeout": 2.5, "socket_connect_timeout": 2.0}
    record = Record(redis.Redis.from_url(url, decode_responses=True, **limits), settings.lease)
    return record, Logs(redis.Redis.from_url(url, **limits))


async def aside(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do it in a thread, so that the event loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: call(*args, **kwargs))


async def shared(key: Hashable, call: Callable[[], T]) -> T:
    """Ask once for all who ask the same at the same time: a hundred watch one log for the price of one."""
    loop = asyncio.get_running_loop()
    if key not in _glances:
        _glances[key] = loop.run_in_executor(_threads, call)
        loop.call_later(GLANCE, _glances.pop, key, None)
    found: T = await asyncio.shield(_glances[key])
    return found


class Handler(BaseHandler):  # type: ignore[misc] # Flower has no types
    """What all pages share: who reads, what they may do, how trouble is said."""

    def set_default_headers(self) -> None:
        """Add the second wall against strangers' text to Flower's headers."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-cache")

    @property
    def site(self) -> Site:
        """Where the pages are, and whether this reader may act."""
        options = self.application.options
        prefix = (options.url_prefix or "").strip("/")
        token = Markup(self.xsrf_form_html()) if options.auth else Markup()  # noqa: S704 - Tornado's own field
        # Flower 2.0 has no read-only mode.
        flower = not self.application.settings.get("alone")
        return Site(f"/{prefix}" if prefix else "", not getattr(options, "read_only", False), token, flower)

    @property
    def who(self) -> str:
        """The reader's name for the record: from OAuth, from basic auth, or only where they sit."""
        if isinstance(self.current_user, str):
            return self.current_user
        with contextlib.suppress(ValueError):
            kind, credentials = self.request.headers.get("Authorization", "").split()
            if self.application.options.basic_auth and kind == "Basic":
                return b64decode(credentials).decode().partition(":")[0]
        return f"somebody at {self.request.remote_ip}"

    async def show(self, page: Callable[[Record, Logs, Site], Page]) -> None:
        """Answer with a page, or with one that says why there is none."""
        site = self.site
        try:
            shown = await aside(lambda: page(*sources(), site))
        except Refused as refusal:
            self.set_status(404)
            shown = pages.problem(site, "Not found", str(refusal))
        except redis.RedisError as error:
            self._away(error)
            return
        self.render("farm.html", page=shown)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say of Redis what a page says of it, wherever it was asked; all else is said as Flower says it."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        if isinstance(error, redis.RedisError):
            self._away(error)
        else:
            super().write_error(status_code, **kwargs)

    def _away(self, error: redis.RedisError) -> None:
        _log.warning("the pages cannot read the record", error=str(error))
        self.set_status(503)
        sentence = "Redis is away; whether this was done is not known. Go back, and look before you try it again."
        if self.request.method in {"GET", "HEAD"}:
            self.set_header("Refresh", str(AGAIN))
            sentence = "Redis is away; this page loads again until it is back."
        self.render("farm.html", page=pages.problem(self.site, "The record does not answer", sentence))

    async def send(self, pieces: Iterator[str | bytes]) -> None:
        """Answer with what comes piece by piece, as long as somebody reads it."""
        with contextlib.suppress(StreamClosedError):
            while (piece := await aside(next, pieces, None)) is not None:
                self.write(piece)
                await self.flush()

    def text(self, name: str) -> str:
        """Return a text from the query, cut to what makes sense."""
        return str(self.get_query_argument(name, ""))[:400]

    def number(self, name: str) -> int | None:
        """Return a number from the query, or None."""
        text = self.get_query_argument(name, "")
        return int(text) if text.isdecimal() and len(text) < 16 else None  # noqa: PLR2004
