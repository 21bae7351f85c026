"""The pages by themselves: `farm web` serves them where no Flower runs. It knows no Celery.

From Flower's package come the doors' manners (basic authentication, same-origin checks) and the style sheets.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.template import DictLoader
from tornado.web import Application, RedirectHandler, url

from farm.flower.tabs import PAGES, TABS

_FRAME = Path(__file__).parent / "templates" / "alone.html"
_MISSING = """{% extends "frame.html" %}{% block container %}
<div class="farm farm-page"><h1>Not found</h1><p>{{ message or "There is no such page." }}</p></div>
{% end %}"""
_BROKEN = """{% extends "frame.html" %}{% block container %}
<div class="farm farm-page"><h1>This page is broken</h1><p>The log of `farm web` says why.</p></div>
{% end %}"""
_PAGE = """{% extends "frame.html" %}{% block title %}{{ page.title }} · farm{% end %}
{% block container %}{% raw page.body %}{% end %}"""


class Alone(Application):
    """The application; `users` are `name:password` of those who may come in, without any everybody may."""

    def __init__(self, *, users: Sequence[str] = (), read_only: bool = False) -> None:
        loader = DictLoader(
            {"frame.html": _FRAME.read_text(), "farm.html": _PAGE, "404.html": _MISSING, "error.html": _BROKEN}
        )
        super().__init__(
            [url(r"/", RedirectHandler, {"url": "/pipelines", "permanent": False}), *PAGES],
            template_loader=loader,
            static_path=str(files("flower") / "static"),
            cookie_secret=secrets.token_urlsafe(32),
            alone=True,
            tabs=TABS,
        )
        self.options = SimpleNamespace(url_prefix="", auth="", basic_auth=list(users), read_only=read_only, debug=False)


def serve(application: Alone, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Serve until the process ends; `ready` is told the port. Raises OSError where nothing can listen there."""

    async def listen() -> None:
        sockets = bind_sockets(port, host)
        HTTPServer(application).add_sockets(sockets)
        ready(sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    asyncio.run(listen())
