"""The pages, each a function of the record and the logs. They know no web server; the frame around is not theirs."""

from farm.flower.pages.images import images
from farm.flower.pages.listing import Query, pipelines
from farm.flower.pages.live import live
from farm.flower.pages.log import at_error, log
from farm.flower.pages.machines import machines
from farm.flower.pages.pipeline import pipeline
from farm.flower.pages.queues import queues
from farm.flower.pages.remembered import remembered
from farm.flower.site import Page, Site, render

__all__ = [
    "Page",
    "Query",
    "at_error",
    "images",
    "live",
    "log",
    "machines",
    "pipeline",
    "pipelines",
    "problem",
    "queues",
    "remembered",
]


def problem(site: Site, title: str, sentence: str) -> Page:
    """Return a page that says why there is no other one."""
    return Page(title, "pipelines", render("problem.html", site=site, title=title, sentence=sentence))
