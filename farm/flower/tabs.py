"""How the tabs get into the stock Flower: routes before its own, and entries in its navigation bar.

The page of a task gets a link to its pipeline, too. It changes nothing else of Flower's, and nothing at
all when something it needs is not as expected.
"""

import re
from pathlib import Path

import structlog
from flower import urls
from tornado.template import Loader, Template
from tornado.web import StaticFileHandler, url

from farm.flower import acts, handlers
from farm.flower.site import STATIC

TABS = (("pipelines", "Pipelines"), ("queues", "Queues"), ("machines", "Machines"), ("images", "Images"))

_NUMBER, _STEP = r"/pipelines/(\d{1,15})", r"(\w[\w./-]{0,200})"
_LIST_END = re.compile(r"</ul>")
_ENTRY = """
        <li class="nav-item">
          <a class="nav-link{{% if active_tab == '{name}' %}} active{{% end %}}"
            href="{{{{ reverse_url('farm-{name}') }}}}"
            {{% if active_tab == '{name}' %}}aria-current="page"{{% end %}}>{title}</a>
        </li>"""
# On the page of a task of the farm's, whose arguments are told as `#218 thyme main 3f9c2e1`, the way to its pipeline.
_CONTAINER = "{% block container %}"
_PIPELINE = """
{% import re %}
{% set farm = re.match(r"\\W?#(\\d+) ", str(task.args or "")) %}
{% if farm %}
<p class="container-fluid pt-3 mb-0">
  <a href="{{ reverse_url('farm-pipelines') }}/{{ farm[1] }}">Pipeline #{{ farm[1] }}</a>
</p>
{% end %}
"""
_FRAME = Path(__file__).parent / "templates" / "flower.html"

# The doors that any server can open; that to Flower's own page of a task is not among them.
PAGES = [
    url(r"/pipelines", handlers.Pipelines, name="farm-pipelines"),
    url(_NUMBER, handlers.Pipeline),
    url(_NUMBER + r"/live", handlers.Live),
    url(_NUMBER + r"/cancel", acts.Cancel),
    url(_NUMBER + r"/retry", acts.Retry),
    url(_NUMBER + r"/logs/" + _STEP, handlers.Log),
    url(_NUMBER + r"/raw/" + _STEP, handlers.Raw),
    url(_NUMBER + r"/artifacts/" + _STEP, handlers.Artifacts),
    url(r"/queues", handlers.Queues, name="farm-queues"),
    url(r"/machines", handlers.Machines, name="farm-machines"),
    url(r"/machines/drain", acts.Drain),
    url(r"/images", handlers.Images, name="farm-images"),
    url(r"/images/rollback", acts.Rollback),
    url(r"/tests", handlers.Tests),
    url(r"/badge/(.{1,400})\.svg", handlers.Badge),
    # A plain tuple would lose its arguments where Flower puts its prefix before the address.
    url(r"/farm-static/(.*)", StaticFileHandler, {"path": str(STATIC)}),
]


class WithTabs(Loader):  # type: ignore[misc,unused-ignore]
    """Flower's templates, the navigation bar with the tabs in it, and the frame of the farm's own pages."""

    def _create_template(self, name: str) -> Template:
        if name == "farm.html":
            return Template(_FRAME.read_text(), name=name, loader=self)
        if name == "navbar.html":
            text = (Path(self.root) / name).read_text()
            return Template(with_tabs(text), name=name, loader=self)
        if name == "task.html":
            text = (Path(self.root) / name).read_text()
            return Template(text.replace(_CONTAINER, _CONTAINER + _PIPELINE, 1), name=name, loader=self)
        return super()._create_template(name)


def with_tabs(navbar: str) -> str:
    """Return the template of the navigation bar with the tabs at the end of its first list."""
    entries = "".join(_ENTRY.format(name=name, title=title) for name, title in TABS)
    changed, found = _LIST_END.subn(lambda end: entries + "\n      " + end[0], navbar, count=1)
    if not found:
        structlog.get_logger().warning("Flower's navigation bar has no list; open /pipelines and /queues by hand")
    return changed


def install() -> None:
    """Add the routes and the templates; call it before Flower's application is made. Twice is once."""
    if "template_loader" in urls.settings:
        return
    loader = WithTabs(urls.settings["template_path"])
    loader.load("navbar.html")
    loader.load("farm.html")
    urls.settings["template_loader"] = loader
    urls.handlers[:0] = [*PAGES, url(_NUMBER + r"/task/" + _STEP, handlers.Task)]
