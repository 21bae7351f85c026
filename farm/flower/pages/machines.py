"""The build machines and their workers: what each does now."""

from itertools import groupby

from farm.flower.queues import worker_rows
from farm.flower.site import Page, Site, render
from farm.record import Record


def machines(record: Record, site: Site, problem: str = "") -> Page:
    """Return the page of machines, by host."""
    rows = sorted(worker_rows(record), key=lambda row: (row.host, row.name))
    hosts = []
    for host, group in groupby(rows, key=lambda row: row.host):
        members = list(group)
        told = [row for row in members if row.machine and not row.lost]
        newest = max(told, key=lambda row: row.seen, default=None)
        hosts.append((host, newest.machine if newest else None, members))
    body = render("machines.html", site=site, title="Machines", hosts=hosts, problem=problem)
    return Page("Machines", "machines", body)
