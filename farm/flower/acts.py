"""The buttons that change something: cancel, retry, roll back, drain. Each comes from one of the farm's own pages."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlparse

import structlog
from tornado.web import HTTPError, authenticated

from farm import broker
from farm.errors import Refused, Unreachable
from farm.flower import pages
from farm.flower.handler import Handler, aside, sources, web_url
from farm.hosts import fixed, host_of
from farm.logs import Logs
from farm.record import Record

_log = structlog.get_logger()


class Act(Handler):
    """A form's door. It writes down who did it; a refusal is shown on the page that the form was on."""

    def check_origin(self) -> None:
        """Refuse what another site's page sends; Flower itself checks nothing when it has no authentication."""
        site, origin = (self.request.headers.get(name, "") for name in ("Sec-Fetch-Site", "Origin"))
        same = site == "same-origin" if site else urlparse(origin).netloc == self.request.host
        if not same:
            raise HTTPError(403, "This was not sent from one of the farm's own pages")
        options, name = self.application.options, host_of(self.request.host)
        if not (options.auth or options.basic_auth or fixed(name) or name == urlparse(web_url()).hostname):
            # Any site can have its name lead here, and then its pages pass for the farm's.
            raise HTTPError(403, f"{name} is no name that the farm knows; open {web_url()}, or set web_url in farm.yml")

    async def act(
        self, instead: str, change: Callable[[Record], Any], page: Callable[[Record, Logs, str], pages.Page], *back: str
    ) -> None:
        """Change something and go back; `instead` is the command that does the same where Flower is read-only."""
        self.check_origin()
        if not self.site.may_act:
            raise HTTPError(403, f"These pages are read-only here; use `{instead}`")
        record, logs = sources()
        try:
            await aside(change, record)
        except Refused as refusal:
            sentence = str(refusal)
            self.set_status(409)
            await self.show(lambda *_: page(record, logs, sentence))
        else:
            self.redirect(self.site.url(*back), status=303)


class Cancel(Act):
    """End a pipeline."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def post(self, number: str) -> None:
        """Cancel the pipeline, show it again."""
        who, site = self.who, self.site
        await self.act(
            f"farm cancel {number}",
            lambda record: record.cancel(int(number), who),
            lambda record, logs, sentence: pages.pipeline(record, logs, site, int(number), sentence),
            *("pipelines", number),
        )


class Retry(Act):
    """Open a finished pipeline once more."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def post(self, number: str) -> None:
        """Try all again, or with `failed` what has not passed; show the pipeline."""
        who, site = self.who, self.site
        failed = self.get_body_argument("failed", "") == "1"
        await self.act(
            f"farm retry {number}" + (" --failed" if failed else ""),
            lambda record: _retry(record, int(number), who, failed=failed),
            lambda record, logs, sentence: pages.pipeline(record, logs, site, int(number), sentence),
            *("pipelines", number),
        )


class Rollback(Act):
    """Point a tag back to what an older pipeline released."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def post(self) -> None:
        """Roll back, show the images."""
        who, site = self.who, self.site
        repository, tag, number = (self.get_body_argument(name, "")[:300] for name in ("repository", "tag", "number"))
        if not number.isdecimal():
            raise HTTPError(400, "Say which pipeline's image the tag shall be")
        await self.act(
            f"farm rollback {repository} {number}",
            lambda record: record.rollback(repository, tag, int(number), who),
            lambda record, _, sentence: pages.images(record, site, "", sentence),
            "images",
        )


class Drain(Act):
    """Let a worker finish what it has and take nothing more, or take work again."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def post(self) -> None:
        """Drain the worker or undo it, show the machines."""
        who, site = self.who, self.site
        name, undo = self.get_body_argument("worker", "")[:300], self.get_body_argument("undo", "") == "1"
        await self.act(
            f"farm workers drain {name}" + (" --undo" if undo else ""),
            lambda record: record.drain(name, who, undo=undo),
            lambda record, _, sentence: pages.machines(record, site, sentence),
            "machines",
        )


def _retry(record: Record, number: int, who: str, *, failed: bool) -> None:
    wakes = record.retry(number, who, failed=failed)
    found = record.pipeline(number)
    title = broker.title(found.repository, found.ref, found.commit)
    for wake in wakes:
        try:
            broker.publish(wake.number, broker.unforked(wake.steps), title)
        except Unreachable as error:
            _log.warning("pipeline.not_published", pipeline=number, error=str(error))  # the reaper does it
