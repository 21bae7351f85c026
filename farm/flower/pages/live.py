"""What changed on an open page of a pipeline or a log."""

import time
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from farm.flower.estimate import Usual, usual
from farm.flower.lines import Position, items, lines
from farm.flower.pages.parts import LogView, names_of, until_of, version_of
from farm.flower.pages.state import state
from farm.flower.site import Site, render
from farm.logs import Logs
from farm.pipeline import Status
from farm.record import Record

LIVE_BYTES = 256 << 10


def live(
    record: Record, logs: Logs, site: Site, number: int, *, version: str, positions: Mapping[str, Position]
) -> dict[str, Any] | None:
    """Return what changed on a page since its version and positions, or None if nothing did."""
    found = record.pipeline(number)
    waiting = None if found.status.final else record.waiting(number)
    newest = version_of(found, waiting)
    news = {}
    for step, position in positions.items():
        if step in names_of(found):
            part = _more(logs, number, step, position)
            if part["html"] or part["complete"]:
                news[step] = part
    if newest == version and not news:
        return None
    now = time.time()
    expected = usual(record, found) if found.status is Status.RUNNING else Usual()
    views = (LogView(job, until=until_of(expected, job)) for job in found.jobs)
    summaries = (render("summary.html", site=site, view=view, now=now) for view in views)
    return {
        "version": newest,
        "html": None if newest == version else state(record, found, waiting, site, now) + Markup("").join(summaries),
        "steps": " ".join(names_of(found)),
        "final": found.status.final,
        "logs": news,
    }


def _more(logs: Logs, number: int, step: str, position: Position) -> dict[str, Any]:
    page = logs.read(number, step, position.cursor, LIVE_BYTES)
    new = list(lines(page.chunks, position.line))
    began = position.began or (new[0].time if new else 0.0)
    html, style = items(step, new, began, position.style)
    after = Position(page.cursor, new[-1].number + 1 if new else position.line, began, style)
    return {"html": Markup("").join(html), "position": str(after), "complete": page.complete and not page.chunks}
