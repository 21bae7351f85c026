"""What a person sees: the pages in a real browser, live, without JavaScript, by keyboard."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from farm.pipeline import Status, Step

pytestmark = [pytest.mark.redis, pytest.mark.browser]

FAILING = {
    "tests": {
        "total": 3,
        "passed": 2,
        "failed": 1,
        "skipped": 0,
        "failing": [{"name": "test_vat", "message": "assert 19 == 20 <b>", "seconds": 0.02}],
    },
    "exit": 1,
}


def test_the_tabs_are_in_flowers_own_navigation(served, look):
    page = look()
    page.goto(served.url)
    page.get_by_role("link", name="Queues").click()
    expect(page).to_have_url(re.compile("/queues$"))
    expect(page.get_by_role("link", name="Queues")).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="Pipelines").click()
    expect(page.get_by_role("link", name="Pipelines")).to_have_class(re.compile("active"))
    expect(page.get_by_role("heading", name="Pipelines")).to_be_visible()


def test_the_list_shows_each_pipeline_and_follows_it(farm, served, look):
    number = farm.push("Fix <i>VAT</i>", repository="listed", ref="refs/heads/fix/vat")
    page = look()
    page.goto(f"{served.url}/pipelines?repository=listed")
    row = page.locator(f"#p{number}")
    expect(row).to_contain_text("pending")
    expect(row).to_contain_text("Fix <i>VAT</i>")
    expect(row).to_contain_text("fix/vat")
    expect(row).to_contain_text("Ada Oyelaran")
    farm.run(number, "build")
    expect(row.locator(".farm-badge")).to_have_text("running")
    other = farm.push("Another", repository="listed")
    expect(page.locator(".farm-item").first).to_have_id(f"p{other}")
    expect(page.get_by_role("status")).to_contain_text("listed main: pending")


def test_the_list_is_filtered_by_a_plain_form_and_has_pages(farm, served, look):
    numbers = [farm.push(f"Number {each}", repository="many") for each in range(32)]
    other = farm.push("Elsewhere", repository="many", ref="refs/heads/side", steps=())
    farm.record.close(other, Status.SKIPPED, "skipped by option")
    page = look(javascript=False)
    page.goto(f"{served.url}/pipelines")
    page.get_by_label("Repository").select_option("many")
    page.get_by_label("Branch or tag").fill("main")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".farm-item")).to_have_count(30)
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".farm-item")).to_have_count(2)
    expect(page.locator(f"#p{numbers[0]}")).to_be_visible()
    page.get_by_label("Status").select_option("skipped")
    page.get_by_label("Branch or tag").fill("")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".farm-item")).to_have_count(1)
    expect(page.locator(f"#p{other}")).to_contain_text("skipped by option")


def test_a_pipeline_is_followed_from_the_push_to_the_failing_test(farm, served, look):
    number = farm.push("Round VAT", repository="followed")
    page = look()
    page.goto(f"{served.url}/pipelines/{number}")
    expect(page.locator(".farm-note")).to_contain_text("Waiting: ")
    farm.run(number, "build", log="Successfully built\n")
    build, test, _ = (page.locator(".farm-stage").nth(each) for each in range(3))
    expect(build).to_contain_text("passed")
    expect(build).to_contain_text("w1@c1")

    claim = farm.claim(number, "test", "w2@c2")
    with farm.writer(claim) as writer:
        writer.line("--- attempt 1 on w2@c2 ---")
        expect(page.locator("#test-L1 span").last).to_have_text("--- attempt 1 on w2@c2 ---")
        writer.line("\x1b[31m<script>document.title='x'</script>\x1b[0m")
        expect(page.locator("#test-L2 .farm-front-1")).to_have_text("<script>document.title='x'</script>")
        writer.write(b"collected 3 items\nE   assert 19 == 20\n")
        farm.record.redis.hset(f"farm:pipeline:{number}:step:test", "note", "taken over from w1@c1, which was lost")
        expect(test).to_contain_text("taken over from w1@c1, which was lost")
    farm.record.commit(claim, Status.FAILED, reason="1 of 3 tests failed: test_vat", result=FAILING)

    expect(page.locator(".farm-hero .farm-badge")).to_have_text("failed")
    expect(page.locator(".farm-failing")).to_contain_text("1 failing test")
    expect(page.locator(".farm-failing")).to_contain_text("assert 19 == 20 <b>")
    expect(page.locator("details.farm-log").first).to_have_attribute("open", "")
    expect(page.locator("#test-L4 span").last).to_have_text("E   assert 19 == 20")
    expect(page.locator(".farm-stage").nth(2)).to_contain_text("skipped")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_the_same_can_be_read_without_javascript(farm, served, look):
    number = farm.push("Plain", repository="plain")
    farm.run(number, "build")
    farm.run(number, "test", Status.FAILED, log="fine\n" * 100 + "FAILED test_vat\n", result=FAILING)
    page = look(javascript=False)
    page.goto(f"{served.url}/pipelines/{number}")
    expect(page.locator(".farm-failing")).to_contain_text("test_vat")
    expect(page.locator("#test-L102")).to_be_visible()
    expect(page.locator(".farm-log-bar").first).to_contain_text("lines 94 to 102 of 102")
    page.get_by_role("link", name="whole log").first.click()
    expect(page.locator(".farm-lines li")).to_have_count(102)
    running = farm.push("Runs", repository="plain")
    page.goto(f"{served.url}/pipelines/{running}")
    expect(page.locator(".farm-badge")).to_have_text("pending")
    farm.run(running, "build")
    expect(page.locator(".farm-badge")).to_have_text("running")


def test_the_tab_says_how_it_stands_in_its_title_and_its_icon(farm, served, look):
    number = farm.push("Fix VAT", repository="tabbed")
    page, log = look(), look()
    page.goto(f"{served.url}/pipelines/{number}")
    log.goto(f"{served.url}/pipelines/{number}/logs/build")
    expect(page).to_have_title(f"#{number} pending · tabbed main · farm")
    icon = page.locator("link[rel=icon]")
    before = icon.get_attribute("href")
    assert before.startswith("data:image/svg+xml,")
    farm.run(number, "build", Status.FAILED, reason="no")
    expect(page).to_have_title(f"#{number} failed · tabbed main · farm")
    expect(log).to_have_title(f"#{number} failed · build · tabbed main · farm")
    expect(icon).not_to_have_attribute("href", before)
    plain = httpx.get(f"{served.url}/pipelines/{number}").text
    assert f"<title>#{number} failed · tabbed main · farm</title>" in plain
    assert (
        "<title>Pipelines · tabbed main · farm</title>"
        in httpx.get(f"{served.url}/pipelines?repository=tabbed&branch=main").text
    )


@pytest.mark.parametrize("offered", [True, False], ids=["https", "http"])
def test_a_line_is_copied_also_where_the_browser_offers_no_clipboard(farm, served, look, offered):
    number = farm.push("Copied", repository=f"copied-{offered}")
    farm.run(number, "build")
    farm.run(number, "test", Status.FAILED, reason="no")
    page = look(permissions=["clipboard-read", "clipboard-write"] if offered else [])
    if not offered:
        page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(f"{served.url}/pipelines/{number}")
    line = page.locator(".farm-run code").inner_text()
    page.get_by_role("button", name="copy").click()
    expect(page.get_by_role("button", name="copied")).to_be_visible()
    expect(page.get_by_role("button", name="copy", exact=True)).to_be_visible()
    page.goto(f"{served.url}/pipelines")
    page.get_by_label("Branch or tag").focus()
    page.keyboard.press("Control+V")
    expect(page.get_by_label("Branch or tag")).to_have_value(line)


def test_cancel_says_who_and_a_second_one_says_why_not(farm, served, look):
    number = farm.push("Never mind", repository="canceled")
    first, second = look(), look()
    for page in (first, second):
        page.on("dialog", lambda dialog: dialog.accept())
    second.route("**/live?*", lambda route: route.abort())
    second.goto(f"{served.url}/pipelines/{number}")
    first.goto(f"{served.url}/pipelines/{number}")
    first.get_by_role("button", name="Cancel").click()
    expect(first.locator(".farm-hero .farm-badge")).to_have_text("canceled")
    expect(first.locator(".farm-hero")).to_contain_text("somebody at 127.0.0.1")
    second.get_by_role("button", name="Cancel").click()
    expect(second.get_by_role("alert")).to_contain_text("is over already")


def test_definition_errors_are_all_on_the_page(farm, served, look):
    number = farm.push("Typo", repository="typo", steps=())
    farm.record.close(number, Status.FAILED, ".farm.yml:2:3: unknown key\n.farm.yml:5:9: expected a text")
    page = look()
    page.goto(f"{served.url}/pipelines/{number}")
    expect(page.locator(".farm-note p")).to_have_text([".farm.yml:2:3: unknown key", ".farm.yml:5:9: expected a text"])


def test_a_queue_that_nobody_serves_is_red(farm, served, look):
    farm.worker(busy=("#7 test",))
    gpu = (Step("build", "build", (), "build"), Step("test/a", "test", ("build",), "test+gpu"))
    number = farm.push("Needs a card", repository="gpu", steps=gpu)
    page = look()
    page.goto(f"{served.url}/queues")
    farm.run(number, "build")
    row = page.locator("tr", has_text="test+gpu")
    expect(row).to_have_class("farm-unserved")
    expect(row).to_contain_text("none")
    expect(page.get_by_role("alert")).to_contain_text("farm worker --labels gpu")
    page.set_viewport_size({"width": 390, "height": 844})  # a cell's words stand beside its label
    assert row.locator("td b").evaluate("(word) => word.offsetLeft") > 100
    assert "waiting: no worker serves <code>gpu</code>" in httpx.get(f"{served.url}/pipelines?repository=gpu").text
    farm.record.cancel(number, "jo")  # nothing waits for it any more
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(row).not_to_have_class("farm-unserved")
    farm.run(farm.push("Needs a card again", repository="gpu", steps=gpu), "build")
    expect(row).to_have_class("farm-unserved")
    expect(page.locator("tr", has=page.locator("th", has_text="c1"))).to_contain_text("1 of 4")
    farm.worker("w3@c3", ("test", "test+gpu"))
    expect(page.get_by_role("alert")).to_have_count(0)


def test_the_broken_job_of_a_stage_comes_first(farm, served):
    jobs = tuple(Step(f"test/{name}", "test", ("build",), "test") for name in ("ant", "bee"))
    number = farm.push("Two of a kind", repository="kinds", steps=(Step("build", "build", queue="build"), *jobs))
    farm.run(number, "build")
    farm.run(number, "test/ant")
    farm.run(number, "test/bee", Status.FAILED, reason="stung")
    page = httpx.get(f"{served.url}/pipelines/{number}").text
    assert page.index('data-says="test/bee') < page.index('data-says="test/ant')


def test_long_names_break_no_word_on_a_button(another_farm, another_served, look):
    host = "machine-17.datacentre-of-the-north.example.org"
    another_farm.worker(f"worker-of-a-long-name@{host}", host=host, labels=("arm64", "gpu", "big-memory"))
    another_farm.worker(busy=[f"#1 test/integration-postgres-3.{minor}" for minor in (11, 12, 13)])
    page = look()
    page.goto(f"{another_served.url}/machines")
    for button in page.get_by_role("button", name="Drain").all():
        assert button.bounding_box()["height"] < 50


def test_what_is_not_there_is_said(served, look):
    page = look()
    answer = page.goto(f"{served.url}/pipelines/999999")
    assert answer.status == 404
    expect(page.locator(".farm-empty")).to_contain_text("there is no pipeline #999999")


def test_everything_is_reached_by_keyboard(farm, served, look):
    number = farm.push("By hand", repository="keyboard")
    page = look()
    page.goto(f"{served.url}/pipelines?repository=keyboard")
    page.locator(".farm-subject").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/pipelines/{number}$"))
    farm.run(number, "build", log="a line\n")
    expect(page.locator(".farm-stage", has_text="build").locator("h2")).to_contain_text("passed")
    log = page.locator("details[data-step=build]")
    log.locator("summary").focus()
    if log.evaluate("node => node.open"):  # so it came while the step was the newest
        page.keyboard.press("Enter")
        expect(log).not_to_have_attribute("open", re.compile(".*"))
    page.keyboard.press("Enter")
    expect(log).to_have_attribute("open", re.compile(".*"))
    expect(page.locator("#build-L2 span").last).to_have_text("a line")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator(".farm-scroll:focus")).to_have_count(1)
