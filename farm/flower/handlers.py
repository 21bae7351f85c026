"""The doors of the pages in Flower's Tornado server. What they show comes from farm.flower.pages, in a thread.

Flower has one event loop: nothing here waits for Redis on it.
"""

import asyncio
import contextlib
import json
import time
from base64 import b64decode
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlparse

import redis
import structlog
from flower.views import BaseHandler
from markupsafe import Markup
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, authenticated

from farm.errors import Refused
from farm.flower import pages
from farm.flower.lines import Position
from farm.flower.site import Page, Site
from farm.logs import Logs
from farm.record import Record
from farm.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
# A page that follows a pipeline asks again after this long at most, in seconds; meanwhile it is looked at so often.
PATIENCE, GLANCE = 25.0, 0.25
# Logs are strangers' text: should an escape slip through, no script of theirs runs.
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="farm-pages")
_log = structlog.get_logger()
_glances: dict[Hashable, asyncio.Future[Any]] = {}


@cache
def _sources() -> tuple[Record, Logs]:
    settings = Settings.load()
    url, limits = settings.redis_url, {"socket_timeout": 5.0, "socket_connect_timeout": 2.0}
    record = Record(redis.Redis.from_url(url, decode_responses=True, **limits), settings.lease)
    return record, Logs(redis.Redis.from_url(url, **limits))


async def _aside(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: call(*args, **kwargs))


async def _shared(key: Hashable, call: Callable[[], T]) -> T:
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
        return Site(f"/{prefix}" if prefix else "", not getattr(options, "read_only", False), token)

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
            shown = await _aside(lambda: page(*_sources(), site))
        except Refused as refusal:
            self.set_status(404)
            shown = pages.problem(site, "Not found", str(refusal))
        except redis.RedisError as error:
            _log.warning("the pages cannot read the record", error=str(error))
            self.set_status(503)
            shown = pages.problem(
                site, "The record does not answer", "Redis is away; this page loads again when it is back."
            )
        self.render("farm.html", page=shown)

    def number(self, name: str) -> int | None:
        """Return a number from the query, or None."""
        text = self.get_query_argument(name, "")
        return int(text) if text.isdecimal() and len(text) < 16 else None  # noqa: PLR2004


class Pipelines(Handler):
    """The list."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self) -> None:
        """Show pipelines by repository, branch and status, page by page."""
        repository, branch, status = (
            self.get_query_argument(name, "")[:200] for name in ("repository", "branch", "status")
        )
        query = pages.Query(repository, branch, status, self.number("before"))
        await self.show(lambda record, _, site: pages.pipelines(record, site, query))


class Pipeline(Handler):
    """One pipeline."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self, number: str) -> None:
        """Show it."""
        await self.show(lambda record, logs, site: pages.pipeline(record, logs, site, int(number)))


class Log(Handler):
    """One step's log."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self, number: str, step: str) -> None:
        """Show it, from a line on if the query says so."""
        start = self.number("start")
        await self.show(lambda record, logs, site: pages.log(record, logs, site, int(number), step, start=start))


class Raw(Handler):
    """One step's log as it is, to be downloaded."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self, number: str, step: str) -> None:
        """Send it in pieces, escapes and all."""
        record, logs = _sources()
        try:
            found = await _aside(record.pipeline, int(number))
        except Refused as refusal:
            raise HTTPError(404, str(refusal)) from None
        if step not in {job.name for stage in found.stages for job in stage.jobs}:
            raise HTTPError(404, f"#{number} has no step {step}")
        name = "".join(letter if letter.isalnum() else "-" for letter in f"{found.repository}-{number}-{step}")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{name.encode("ascii", "replace").decode()}.log"')
        pieces: Iterator[str] = logs.text(int(number), step)
        with contextlib.suppress(StreamClosedError):
            while (piece := await _aside(next, pieces, None)) is not None:
                self.write(piece)
                await self.flush()


class Live(Handler):
    """What changed on an open page; the answer waits until something did."""

    gone = False

    def on_connection_close(self) -> None:
        """Stop looking when nobody listens any more."""
        self.gone = True

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self, number: str) -> None:
        """Answer with JSON: the parts of the page that changed and the new lines of the open logs."""
        version = self.get_query_argument("version", "")
        asked = (each.partition("@") for each in self.get_query_arguments("log")[:20])
        positions = {step: Position.parse(position) for step, _, position in asked}
        site, deadline, answer = self.site, time.monotonic() + PATIENCE, None
        try:
            while not self.gone and answer is None and time.monotonic() < deadline:
                key = (site, number, version, *positions.items())
                answer = await _shared(
                    key,
                    lambda: pages.live(*_sources(), site, int(number), version=version, positions=positions),
                )
                if answer is None:
                    await asyncio.sleep(GLANCE)
        except Refused:
            raise HTTPError(404) from None
        except redis.RedisError:
            raise HTTPError(503) from None
        if not self.gone:
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps(answer or {"version": version, "html": None, "logs": {}, "final": False}))


class Cancel(Handler):
    """The one button that changes something."""

    def check_origin(self) -> None:
        """Refuse what another site's page sends; Flower itself checks nothing when it has no authentication."""
        site, origin = (self.request.headers.get(name, "") for name in ("Sec-Fetch-Site", "Origin"))
        same = site == "same-origin" if site else urlparse(origin).netloc == self.request.host
        if not same:
            raise HTTPError(403, "This was not sent from one of the farm's own pages")

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def post(self, number: str) -> None:
        """Cancel the pipeline, write down who did, show it again."""
        self.check_origin()
        site, who = self.site, self.who
        if not site.may_act:
            raise HTTPError(403, "Flower runs read-only here; use `farm cancel`")
        record, logs = _sources()
        try:
            await _aside(record.cancel, int(number), who)
        except Refused as refusal:
            sentence = str(refusal)
            self.set_status(409)
            await self.show(lambda *_: pages.pipeline(record, logs, site, int(number), sentence))
        else:
            self.redirect(site.url("pipelines", number), status=303)


class Queues(Handler):
    """Queues and workers."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self) -> None:
        """Show them."""
        await self.show(lambda record, _, site: pages.queues(record, site))
