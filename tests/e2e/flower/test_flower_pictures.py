"""Every page, light and dark, wide and narrow: nothing sticks out. With PICTURES=docs/images the pictures are kept."""

import os
from pathlib import Path

import pytest

from tests.e2e.flower.day import an_ordinary_day

pytestmark = [pytest.mark.redis, pytest.mark.browser]


def test_every_page_fits_light_and_dark_wide_and_narrow(another_farm, serve, look, tmp_path):
    pages = an_ordinary_day(another_farm)
    served = serve(redis_url=another_farm.url)
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    for width in (1280, 390):
        for dark in (False, True):
            page = look(width=width, dark=dark)
            for name, path in pages.items():
                assert page.goto(served.url + path).status == 200
                page.locator(".farm h1").first.wait_for()
                page.evaluate("document.fonts.ready")
                picture = folder / f"{name}-{'dark' if dark else 'light'}-{width}.png"
                page.screenshot(path=picture, animations="disabled", full_page=name == "queues")
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), picture.name
                assert page.evaluate("document.body.scrollHeight < 20000"), picture.name
