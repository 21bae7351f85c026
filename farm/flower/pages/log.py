"""One step's log as a page."""

import re
import time
from urllib.parse import quote

from farm.flower.ansi import LONGEST, plain
from farm.flower.estimate import usual
from farm.flower.lines import Line, Position, blocks, first_error, heads, items, lines
from farm.flower.pages.parts import LogView, job_of, names_of, titled, until_of, version_of, whole
from farm.flower.site import Page, Site, render
from farm.logs import Logs
from farm.pipeline import Job, Pipeline, Status
from farm.record import Record

# A page of a log holds so many lines; a browser stays quick with them.
MOST_LINES = 50_000
MOST_MATCHES = 500


def log(
    record: Record, logs: Logs, site: Site, number: int, step: str, *, start: int | None = None, find: str = ""
) -> Page:
    """Return one step's log, at most MOST_LINES lines of it: from a line on, the last, or those with some words."""
    found = record.pipeline(number)
    job = job_of(found, step)
    chunks, complete = whole(logs, number, step)
    everything = list(lines(chunks))
    began = everything[0].time if everything else 0.0
    first = max(len(everything) - MOST_LINES, 0)
    if start is not None:
        first = next((at for at, line in enumerate(everything) if line.number >= start), first)
    if find:
        return _matches(site, found, job, everything, find)
    shown = everything[first : first + MOST_LINES]
    later = everything[first + MOST_LINES].number if first + MOST_LINES < len(everything) else None
    bad = job.status in (Status.FAILED, Status.ERRORED) and shown
    html, style = items(step, shown, began, Position().style)
    position = Position(chunks[-1].cursor, shown[-1].number + 1, began, style) if shown else Position()
    title = titled(found, job.status, step)
    body = render(
        "log.html",
        site=site,
        title=title,
        pipeline=found,
        version=version_of(found, None),
        steps=names_of(found),
        view=LogView(job, blocks=blocks(html), until=until_of(usual(record, found), job)),
        heads=heads(shown),
        find="",
        position=str(position),
        complete=later is not None or complete,
        earlier=shown[0].number - 1 if first else 0,
        later=later,
        failed_at=shown[first_error(shown)].number if bad else None,
        now=time.time(),
    )
    return Page(title, "pipelines", body)


def at_error(record: Record, logs: Logs, site: Site, number: int, step: str) -> str:
    """Return the address of one step's log at the line where a reader should begin; it is made anew for each reader."""
    job_of(record.pipeline(number), step)
    everything = list(lines(whole(logs, number, step)[0]))
    at = first_error(everything)
    line = everything[at].number if everything else 1
    start = line if at < len(everything) - MOST_LINES else None
    return site.url("pipelines", number, "logs", step, start=start) + f"#{quote(step)}-L{line}"


def _matches(site: Site, found: Pipeline, job: Job, everything: list[Line], find: str) -> Page:
    wanted = find.casefold()
    texts = ((line, plain(line.text)) for line in everything)
    hits = [(line, text) for line, text in texts if wanted in text.casefold()]
    title = titled(found, job.status, f"{job.name}: {find}")
    body = render(
        "matches.html",
        site=site,
        title=title,
        pipeline=found,
        view=LogView(job),
        find=find,
        hits=[(line.number, _marked(text, find)) for line, text in hits[:MOST_MATCHES]],
        count=len(hits),
        total=len(everything),
        # A page of the whole log ends with its last line; an earlier one is looked up from where it is.
        last=everything[-MOST_LINES].number if len(everything) > MOST_LINES else 0,
        now=time.time(),
    )
    return Page(title, "pipelines", body)


def _marked(text: str, find: str) -> list[tuple[bool, str]]:
    parts = re.split(f"({re.escape(find)})", text[:LONGEST], flags=re.IGNORECASE)
    return [(at % 2 == 1, part) for at, part in enumerate(parts) if part]
