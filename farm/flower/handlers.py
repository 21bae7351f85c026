"""The doors of the pages in Flower's Tornado server. What they show comes from farm.flower.pages, in a thread."""

import asyncio
import json
import time
from contextlib import suppress

import redis
from tornado.web import HTTPError, authenticated

from farm.badge import badge
from farm.broker import TASKS
from farm.errors import Errored, Refused
from farm.flower import pages
from farm.flower.handler import GLANCE, Handler, aside, shared, sources, store
from farm.flower.lines import Position
from farm.flower.pages.parts import job_of
from farm.record import Sent

# A page that follows a pipeline asks again after this long at most, in seconds.
PATIENCE = 25.0


class Pipelines(Handler):
    """The list."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self) -> None:
        """Show pipelines by repository, branch and status, page by page."""
        repository, branch, status = (self.text(name) for name in ("repository", "branch", "status"))
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
        """Show it, from a line on if the query says so; `?at=error` leads to its first error."""
        if self.text("at") == "error":
            site = self.site
            with suppress(Refused, redis.RedisError):  # the page says it better
                self.redirect(await aside(lambda: pages.at_error(*sources(), site, int(number), step)))
                return
        start, find = self.number("start"), self.text("find")
        await self.show(
            lambda record, logs, site: pages.log(record, logs, site, int(number), step, start=start, find=find)
        )


class Raw(Handler):
    """One step's log as it is, to be downloaded."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self, number: str, step: str) -> None:
        """Send it in pieces, escapes and all."""
        record, logs = sources()
        try:
            found = await aside(record.pipeline, int(number))
            job_of(found, step)
        except Refused as refusal:
            raise HTTPError(404, str(refusal)) from None
        name = "".join(letter if letter.isalnum() else "-" for letter in f"{found.repository}-{number}-{step}")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{name.encode("ascii", "replace").decode()}.log"')
        await self.send(logs.text(int(number), step))


class Artifacts(Handler):
    """What one step has left to be kept, to be downloaded."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self, number: str, step: str) -> None:
        """Send it as a tar, from where the dispatcher keeps it."""
        record, _ = sources()
        try:
            found = await aside(record.pipeline, int(number))
            kept = job_of(found, step).result.get("artifacts")
            if not kept or kept["expires"] <= time.time():
                sentence = f"#{number} {step} has no artifacts, or their time is over; see farm artifacts {number}"
                raise Refused(sentence)  # noqa: TRY301
            pieces = await aside(store().pieces, Sent(int(number), step, kept["fence"]))
        except Refused as refusal:
            raise HTTPError(404, str(refusal)) from None
        except Errored as error:  # the disk, the bucket or the rights to it
            self.set_status(503)
            self.render("farm.html", page=pages.problem(self.site, "The artifacts cannot be read", str(error)))
            return
        name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in f"{number}-{step}")
        self.set_header("Content-Type", "application/x-tar")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Disposition", f'attachment; filename="{name}.tar"')
        await self.send(pieces)


class Task(Handler):
    """From a step to what Flower knows of its task."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    def get(self, number: str, step: str) -> None:
        """Lead to the newest task of the step; Flower forgets tasks, and those that ran while it was down."""
        stage = step.partition("/")[0]
        begin, end = f"#{number} ", "" if step == stage else f" {step}"
        found = [
            (task.timestamp or 0, uuid)
            for uuid, task in list(self.application.events.state.tasks.items())
            if task.name == TASKS.get(stage)
            and str(task.args or "").strip("'\"").startswith(begin)
            and str(task.args).strip("'\"").endswith(end)
        ]
        if found:
            self.redirect(self.site.url("task", max(found)[1]))
            return
        self.set_status(404)
        sentence = f"Flower remembers no task for #{number} {step}; the pipeline's own page has all of it."
        self.render("farm.html", page=pages.problem(self.site, "Not in Flower's memory", sentence))


class Tests(Handler):
    """What the tests of a branch did lately."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self) -> None:
        """Show all of a branch, or one test's history."""
        repository, branch, test, find = (self.text(name) for name in ("repository", "branch", "test", "find"))
        await self.show(
            lambda record, _, site: pages.remembered(record, site, repository, branch, test=test, find=find)
        )


class Images(Handler):
    """What was released."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self) -> None:
        """Show the newest image of each tag, and what the tags were before."""
        repository = self.text("repository")
        await self.show(lambda record, _, site: pages.images(record, site, repository))


class Machines(Handler):
    """The workers by machine."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self) -> None:
        """Show what each does now."""
        await self.show(lambda record, _, site: pages.machines(record, site))


class Badge(Handler):
    """How the newest finished pipeline of a branch ended, as a small picture."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self, name: str) -> None:
        """Draw it; an unknown repository or branch is `unknown`."""
        try:
            picture = await aside(lambda: badge(sources()[0], name))
        except redis.RedisError:
            raise HTTPError(503) from None
        self.set_header("Content-Type", "image/svg+xml")
        self.finish(picture)


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
                answer = await shared(
                    key,
                    lambda: pages.live(*sources(), site, int(number), version=version, positions=positions),
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


class Queues(Handler):
    """Queues and workers."""

    @authenticated  # type: ignore[untyped-decorator,unused-ignore]
    async def get(self) -> None:
        """Show them."""
        span = self.text("span")
        await self.show(lambda record, _, site: pages.queues(record, site, span))
