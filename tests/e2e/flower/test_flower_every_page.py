"""Every page, light and dark, wide and narrow: nothing sticks out, axe-core finds nothing, no script is needed.

With PICTURES=docs/images the pictures are kept.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from farm.pipeline import Status
from tests.e2e.flower.conftest import Farm, Served, looking
from tests.e2e.flower.day import an_ordinary_day

pytestmark = [pytest.mark.redis, pytest.mark.browser]

# The frame around the farm's pages is Flower's own.
OURS = {"include": [[".farm"]]}
WITHIN = {"resultTypes": ["violations"]}
FITS = "document.documentElement.scrollWidth <= innerWidth && document.body.scrollHeight < 20000"
COLOURS = {**WITHIN, "runOnly": ["color-contrast"]}
# Colours are all that differs between light and dark; where it is narrow other things are hidden.
LOOKS: Sequence[tuple[int, bool, Mapping[str, Any] | None]] = (
    (1280, False, WITHIN),
    (1280, True, COLOURS),
    (390, True, WITHIN),
    (390, False, None),
)


@dataclass(frozen=True)
class Visit:
    """What one page says only with scripts, how it is too big, and what axe finds, by how it was looked at."""

    scripted: frozenset[str]
    too_big: Sequence[str]
    violations: Mapping[str, Sequence[str]]


def told(results: Any) -> list[str]:
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']}: {node['target']} {node['failureSummary']}"
        for violation in results.response["violations"]
        for node in violation["nodes"]
    ]


def opened(page: Page, url: str, status: int = 200) -> frozenset[str]:
    """Open it and return the words on it."""
    answer = page.goto(url)
    assert answer
    assert answer.status == status, url
    expect(page.locator(".farm").first).to_be_visible()
    return frozenset(re.findall(r"\w{4,}", page.locator(".farm").first.inner_text()))


def visit(page: Page, plain: BrowserContext, url: str, name: str) -> Visit:
    """Look at a page in every way; `plain` runs no scripts, so that what goes on reloads itself until it is closed."""
    status = 404 if name == "nothing" else 200
    too_big, violations = [], {}
    page.emulate_media(color_scheme="light")
    said = opened(page, url, status)  # one after the other at once: ages are told in words
    with closing(plain.new_page()) as without:
        scripted = said - opened(without, url, status)
    for width, dark, options in LOOKS:
        look = f"{name}-{'dark' if dark else 'light'}-{width}"
        page.set_viewport_size({"width": width, "height": 900 if width > 800 else 844})
        page.emulate_media(color_scheme="dark" if dark else "light")
        expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark" if dark else "light")
        page.evaluate("document.fonts.ready")
        if folder := os.environ.get("PICTURES"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{folder}/{look}.png", animations="disabled", full_page=name == "queues")
        if not page.evaluate(FITS):
            too_big.append(look)
        if options and (found := told(Axe().run(page, context=OURS, options=dict(options)))):
            violations[look] = found
    return Visit(scripted, too_big, violations)


@pytest.fixture(scope="module")
def visits(spare: Farm, another_served: Served, browser: Browser) -> Iterator[Mapping[str, Visit]]:
    """Each page, opened once with scripts and once without, and looked at in every way."""
    spare.client.flushdb()
    pages = an_ordinary_day(spare) | {"nothing": "/pipelines/4711"}
    with looking(browser) as look:
        # A colour that is on its way to another is none of them.
        page, plain = look(reduced_motion="reduce"), look(javascript=False).context
        yield {name: visit(page, plain, another_served.url + path, name) for name, path in pages.items()}


def test_axe_finds_nothing_on_any_page(visits: Mapping[str, Visit]) -> None:
    assert {name: each.violations for name, each in visits.items() if each.violations} == {}


def test_every_page_fits_light_and_dark_wide_and_narrow(visits: Mapping[str, Visit]) -> None:
    assert [look for each in visits.values() for look in each.too_big] == []


def test_without_javascript_every_page_says_the_same(visits: Mapping[str, Visit]) -> None:
    # A log that goes on comes by script; its page loads itself again.
    same = {name: each.scripted for name, each in visits.items() if name not in ("pipeline-running", "log")}
    # Only with a script: copying, and the follow button.
    assert {name: words - {"copy", "Follow"} for name, words in same.items() if words - {"copy", "Follow"}} == {}


def test_a_keyboard_goes_from_the_list_to_a_retry(farm: Farm, served: Served, look: Any) -> None:
    number = farm.push("By keyboard", repository="keys")
    farm.run(number, "build", Status.FAILED, reason="no")
    page = look()
    page.goto(f"{served.url}/pipelines?repository=keys")
    expect(page.locator(".farm-item")).to_have_count(1)
    page.locator(".farm-subject").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/pipelines/{number}$"))
    expect(page.get_by_role("button", name="Retry failed")).to_be_visible()
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim().slice(0, 40)"))
        if reached[-1] == "Retry failed":
            break
    assert reached[-1] == "Retry failed", reached
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(page.locator(".farm-hero")).to_contain_text(re.compile("round 2"))
