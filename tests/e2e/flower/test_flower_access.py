"""What stands in nobody's way: axe-core finds no violation on any page, keyboards reach everything."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.e2e.flower.day import an_ordinary_day

pytestmark = [pytest.mark.redis, pytest.mark.browser]

# The frame around the farm's pages is Flower's own.
OURS = {"include": [[".farm"]]}


def told(results):
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']}: {node['target']} {node['failureSummary']}"
        for violation in results.response["violations"]
        for node in violation["nodes"]
    ]


def test_axe_finds_nothing_on_any_page(another_farm, serve, look):
    pages = an_ordinary_day(another_farm)
    pages["nothing"] = "/pipelines/4711"
    served = serve(redis_url=another_farm.url)
    found = {}
    for width, dark in ((1280, False), (1280, True), (390, False)):
        page = look(width=width, dark=dark, bypass_csp=True)
        for name, path in pages.items():
            page.goto(served.url + path)
            page.locator(".farm").first.wait_for()
            if violations := told(Axe().run(page, context=OURS)):
                found[name, width, dark] = violations
    assert not found


def words(page):
    return set(re.findall(r"\w{4,}", page.locator(".farm").first.inner_text()))


def test_without_javascript_every_page_says_the_same(another_farm, serve, look):
    pages = an_ordinary_day(another_farm)
    served = serve(redis_url=another_farm.url)
    with_it, without = look(), look(javascript=False)
    for name, path in pages.items():
        for page in (with_it, without):
            page.goto(served.url + path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
        if name in ("pipeline-running", "log"):  # a log that goes on comes by script; its page loads itself again
            continue
        # Only with a script: copying, and the follow button.
        assert words(with_it) - words(without) <= {"copy", "Follow"}, name


def test_a_keyboard_goes_from_the_list_to_a_retry(another_farm, serve, look):
    pages = an_ordinary_day(another_farm)
    served = serve(redis_url=another_farm.url)
    page = look()
    page.goto(served.url + pages["pipeline-failed"])
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
