"""One step's log as a page."""

import time

from farm.flower.lines import Position, blocks, first_error, items, lines
from farm.flower.pages.parts import LogView, job_of, names_of, version_of, whole
from farm.flower.site import Page, Site, render
from farm.logs import Logs
from farm.pipeline import Status
from farm.record import Record

# A page of a log holds so many lines; a browser stays quick with them.
MOST_LINES = 50_000


def log(record: Record, logs: Logs, site: Site, number: int, step: str, *, start: int | None = None) -> Page:
    """Return one step's log, at most MOST_LINES lines of it: from a line on, or the last ones."""
    found = record.pipeline(number)
    job = job_of(found, step)
    chunks, complete = whole(logs, number, step)
    everything = list(lines(chunks))
    began = everything[0].time if everything else 0.0
    first = max(len(everything) - MOST_LINES, 0)
    if start is not None:
        first = next((at for at, line in enumerate(everything) if line.number >= start), first)
    shown = everything[first : first + MOST_LINES]
    later = everything[first + MOST_LINES].number if first + MOST_LINES < len(everything) else None
    bad = job.status in (Status.FAILED, Status.ERRORED) and shown
    html, style = items(step, shown, began, Position().style)
    position = Position(chunks[-1].cursor, shown[-1].number + 1, began, style) if shown else Position()
    title = f"#{number} {step}"
    body = render(
        "log.html",
        site=site,
        title=title,
        pipeline=found,
        version=version_of(found, None),
        steps=names_of(found),
        view=LogView(job, blocks=blocks(html)),
        position=str(position),
        complete=later is not None or complete,
        earlier=shown[0].number - 1 if first else 0,
        later=later,
        failed_at=shown[first_error(shown)].number if bad else None,
        now=time.time(),
    )
    return Page(title, "pipelines", body)
