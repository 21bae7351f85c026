"""Where the pages are served and what their reader may do there. It knows no record."""

import zlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from farm.flower import words
from farm.sizes import size

STATIC = Path(__file__).parent / "static"
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Page:
    """One page without its frame: the navigation around it is Flower's or another server's."""

    title: str
    tab: str
    body: Markup


@dataclass(frozen=True, slots=True)
class Site:
    """The prefix of all addresses, whether buttons that change something are shown, and the hidden field of forms."""

    base: str = ""
    may_act: bool = False
    token: Markup = field(default_factory=Markup)
    flower: bool = True
    """Whether the pages are tabs of Flower, so that its own pages can be linked."""

    def url(self, *parts: object, **query: object) -> str:
        """Return the address of a page; query values that are None are left out."""
        path = "/".join([self.base, *(quote(str(part)) for part in parts)])
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return f"{path}?{urlencode(given)}" if given else path

    def static(self, name: str) -> str:
        """Return the address of a static file; it changes with the content, so browsers may keep it for ever."""
        return f"{self.base}/farm-static/{name}?v={_digest(name)}"


@cache
def _digest(name: str) -> str:
    return f"{zlib.crc32((STATIC / name).read_bytes()):08x}"


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_ENVIRONMENT.filters |= {
    name: getattr(words, name) for name in ("span", "so_far", "left", "ago", "iso", "clock", "ticks")
} | {"size": size}


def render(template: str, **values: object) -> Markup:
    """Return a template filled in."""
    return Markup(_ENVIRONMENT.get_template(template).render(**values))  # noqa: S704 - autoescaped by the template
