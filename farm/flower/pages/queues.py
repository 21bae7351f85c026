"""The page of queues."""

from farm.flower.queues import queue_rows, worker_rows
from farm.flower.site import Page, Site, render
from farm.record import Record


def queues(record: Record, site: Site) -> Page:
    """Return the page of queues and workers."""
    rows = queue_rows(record)
    body = render(
        "queues.html",
        site=site,
        title="Queues",
        queues=rows,
        unserved=[row for row in rows if not row.consumers],
        workers=worker_rows(record),
    )
    return Page("Queues", "queues", body)
