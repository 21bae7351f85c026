"""What each tag is by the record and what it was: the image to run, its releases, the way back."""

from dataclasses import dataclass

from farm.errors import Refused
from farm.flower.site import Page, Site, render
from farm.record import Record, Tag
from farm.refs import short

_RELEASES = 10


@dataclass(frozen=True, slots=True)
class TagRow:
    """One tag of one image; `name` is the image with the registry's host, None when its pipeline is forgotten."""

    tag: Tag
    name: str
    repository: str
    branch: str
    subject: str

    @property
    def run_line(self) -> str:
        """What to type to have it."""
        return f"docker run --rm -P --pull always {self.name}:{self.tag.intent.tag}"


def images(record: Record, site: Site, repository: str = "", problem: str = "") -> Page:
    """Return the page of images, those of one repository or all."""
    rows = [_row(record, tag) for tag in record.tags(history=_RELEASES)]
    rows = [row for row in rows if repository in ("", row.repository, row.tag.intent.repository)]
    body = render("images.html", site=site, title="Images", rows=rows, repository=repository, problem=problem)
    return Page("Images", "images", body)


def _row(record: Record, tag: Tag) -> TagRow:
    repository, _, ref = tag.intent.owner.partition(" ")
    branch = short(ref)
    name, subject = tag.intent.repository, ""
    try:
        pipeline = record.pipeline(tag.intent.number)
    except Refused:
        pass
    else:
        name, subject = (pipeline.image or name).partition("@")[0], pipeline.subject
    return TagRow(tag, name, repository, branch, subject)
