"""The log of a step in a real browser: long, live, interrupted, linked to, cut, hostile."""

import contextlib
import re
import time

import httpx
import pytest
from playwright.sync_api import expect

from farm.logs import Logs
from farm.pipeline import Status, Step

pytestmark = [pytest.mark.redis, pytest.mark.browser]


def running(farm, subject):
    number = farm.push(subject, repository="logs")
    return farm.claim(number, "build")


def test_fifty_thousand_lines_stay_usable(farm, served, look, poll):
    claim = running(farm, "Long")
    with farm.writer(claim) as writer:
        writer.write(b"\x1b[32mPASSED\x1b[0m a line of ordinary length that says what happened\n" * 49_990)
        poll(lambda: farm.logs.read(claim.number, "build", "49989").chunks)
        page = look()
        began = time.monotonic()
        page.goto(f"{served.url}/pipelines/{claim.number}/logs/build#build-L40000")
        expect(page.locator("#build-L40000")).to_be_in_viewport()
        assert time.monotonic() - began < 60  # about 2 s where nothing else runs
        page.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
        for n in range(10):
            writer.line(f"late {n}")
        # Not by expect(): while it waits, it describes all 50,000 lines to itself.
        poll(lambda: page.evaluate("document.getElementById('build-L50000')?.innerText.includes('late 9')"))
        expect(page.locator("#build-L50000")).to_be_in_viewport()
    expect(page.locator(".farm-block")).to_have_count(100)


def test_a_log_is_followed_only_by_those_who_are_at_its_end(farm, served, look, poll):
    claim = running(farm, "Follow")
    with farm.writer(claim) as writer:
        writer.write(b"early\n" * 200)
        poll(lambda: farm.logs.read(claim.number, "build", "199").chunks)
        page = look()
        page.goto(f"{served.url}/pipelines/{claim.number}/logs/build")
        expect(page.locator("#build-L200")).to_be_attached()
        writer.line("one more")
        expect(page.locator("#build-L201")).to_be_attached()
        assert page.evaluate("scrollY") == 0
        page.get_by_role("button", name="Follow").click()
        expect(page.locator("#build-L201")).to_be_in_viewport()
        for n in range(50):
            writer.line(f"newer {n}")
        expect(page.locator("#build-L251")).to_be_in_viewport()
        expect(page.get_by_role("status")).to_have_text("")  # who listens is told of changes, not of lines
        expect(page.get_by_role("button", name="Follow")).to_be_hidden()


def test_of_many_logs_that_run_those_that_one_opens_are_read(farm, served, look):
    jobs = [f"test/unit.{number}" for number in range(30)]
    steps = (Step("build", "build", (), "build"), *(Step(job, "test", ("build",), "test") for job in jobs))
    number = farm.push("Many at once", repository="logs", steps=steps)
    farm.run(number, "build")
    with contextlib.ExitStack() as writers:
        for job in jobs:
            writers.enter_context(farm.writer(farm.claim(number, job))).line(f"begun {job}")
        page = look()
        page.goto(f"{served.url}/pipelines/{number}")
        last = page.locator('details[data-step="test/unit.29"]')
        last.locator("summary").click()
        expect(last).to_contain_text("begun test/unit.29")
        expect(page.locator('details[data-step="test/unit.10"]')).to_contain_text("begun test/unit.10")


def test_a_broken_connection_loses_and_doubles_no_line(farm, serve, look):
    claim = running(farm, "Broken")
    served = serve()
    with farm.writer(claim) as writer:
        writer.line("\x1b[33mone")
        page = look()
        page.goto(f"{served.url}/pipelines/{claim.number}/logs/build")
        expect(page.locator("#build-L1")).to_contain_text("one")
        served.process.kill()
        served.process.wait()
        writer.line("two")
        serve(port=served.port)
        writer.line("three")
        expect(page.locator("#build-L3 .farm-front-3")).to_have_text("three")
    expect(page.locator(".farm-lines li")).to_have_count(3)


def test_a_permalink_leads_from_the_pipelines_page_to_the_line(farm, served, look):
    claim = running(farm, "Linked")
    with farm.writer(claim) as writer:
        writer.write(b"".join(b"line %d\n" % n for n in range(1, 301)))
    farm.record.commit(claim, Status.PASSED, result={"image": "127.0.0.1:5000/x@sha256:" + "0" * 64})
    page = look()
    page.goto(f"{served.url}/pipelines/{claim.number}#build-L120")
    expect(page.locator("#build-L120")).to_be_in_viewport()
    expect(page.locator("#build-L120")).to_have_class(re.compile("farm-target"))
    page.locator("#build-L130 a").click()
    expect(page).to_have_url(re.compile("#build-L130$"))
    page.reload()
    expect(page.locator("#build-L130")).to_have_class(re.compile("farm-target"))
    expect(page.locator("#build-L130")).to_be_in_viewport()


def test_an_excerpt_sends_a_permalink_outside_of_it_to_the_whole_log(farm, served, look):
    number = farm.push("Outside", repository="logs")
    farm.run(number, "build", Status.FAILED, log="fine\n" * 200 + "fatal: no\n")
    page = look()
    page.goto(f"{served.url}/pipelines/{number}#build-L5")
    expect(page).to_have_url(re.compile("/logs/build#build-L5$"))
    expect(page.locator("#build-L5")).to_be_in_viewport()
    page = look(javascript=False)
    page.goto(f"{served.url}/pipelines/{number}/logs/build?at=error")  # as Slack has it
    expect(page).to_have_url(re.compile("/logs/build#build-L202$"))
    expect(page.locator("#build-L202")).to_be_in_viewport()
    page.goto(f"{served.url}/pipelines/4711/logs/build?at=error")
    expect(page.locator(".farm")).to_contain_text("there is no pipeline #4711")


def test_what_was_cut_is_said_and_the_raw_log_is_all_that_is_kept(farm, served, look):
    claim = running(farm, "Cut")
    small = Logs(farm.client, head=20_000, tail=20_000)
    with small.writer(claim.number, claim.step, claim.fence) as writer:
        for n in range(8):
            writer.write(b"%d0123456789012345678901234567890123456789\n" % n * 2_000)
    small.close()
    farm.record.commit(claim, Status.FAILED)
    page = look()
    page.goto(f"{served.url}/pipelines/{claim.number}/logs/build")
    expect(page.locator(".farm-gap")).to_contain_text("lines were cut here")
    with page.expect_download() as download:
        page.get_by_role("link", name="raw").click()
    assert download.value.suggested_filename == f"logs-{claim.number}-build.log"
    assert "lines were left out here" in download.value.path().read_text()


def test_a_hostile_log_is_only_text(farm, served, look):
    claim = running(farm, "Hostile")
    with farm.writer(claim) as writer:
        writer.write(b'</span></li><img src=x onerror="document.body.id=1"><script>document.body.id=2</script>\n')
        writer.write(b"\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07 \x1b[31;<b>m \xff\xfe \xe2\x80\xaetxt.exe\n")
        writer.write(b"x" * 100_000 + b"\n")
    page = look()
    page.goto(f"{served.url}/pipelines/{claim.number}/logs/build")
    expect(page.locator(".farm-lines img, .farm-lines script, .farm-lines b")).to_have_count(0)
    expect(page.locator("#build-L1")).to_contain_text('<img src=x onerror="document.body.id=1">')
    assert "click" in page.locator("#build-L2").inner_text()
    assert "\u202e" not in page.locator("#build-L2").inner_text()
    assert page.evaluate("document.body.id") == ""
    assert "script-src" not in httpx.get(page.url).headers["Content-Security-Policy"]
