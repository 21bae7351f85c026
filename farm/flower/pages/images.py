"""What each tag is by the record and what it was: the image to run, its releases, the way back."""

from dataclasses import dataclass

from farm.errors import Refused
from farm.flower.site import Page, Site, render
from farm.record import Record, Tag
from farm.refs import short

MOST = 50  # tags that are shown
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
    tags = record.tags(repository, history=_RELEASES)
    shown = sorted(tags, key=_worth, reverse=True)[:MOST]
    body = render(
        "images.html",
        site=site,
        title="Images",
        rows=[_row(record, tag) for tag in tags if tag in shown],
        more=len(tags) - len(shown),
        repository=repository,
        problem=problem,
    )
    return Page("Images", "images", body)


def _worth(tag: Tag) -> tuple[bool, float]:
    """Put tags that move before those that each release makes anew, of which there is no end."""
    return len(tag.history) > 1, max((each.time for each in tag.history), default=0.0)


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
