"""Test results, throughput, machines and images in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from farm.pipeline import Status
from tests.e2e.flower.day import BUILD, busy, released, run_tests

pytestmark = [pytest.mark.redis, pytest.mark.browser]


def tried(farm, repository, *failing: str, log="all well\n"):
    number = farm.push("Try", repository=repository)
    farm.run(number, "build", log=BUILD)
    run_tests(farm, number, *failing, log=log)
    return number


def test_new_still_failing_fixed_and_flaky_are_told_apart(farm, served, look):
    tried(farm, "results")
    tried(farm, "results", "test_mail[smtp]")
    before = tried(farm, "results", "test_thanks", "test_hours_are_rounded")
    number = tried(farm, "results", "test_full", "test_mail[smtp]", "test_thanks", "test_a_full_shift_takes_nobody")
    page = look()
    page.goto(f"{served.url}/pipelines/{number}")
    rows = page.locator(".farm-failing > ul > li")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("newtests.test_rota::test_a_full_shift_takes_nobody")
    expect(rows.nth(1).locator(".farm-chip")).to_have_text(["new", "flaky"])
    expect(rows.nth(2)).to_contain_text(f"still failing since #{before}")
    expect(rows.nth(2).locator("pre")).to_be_visible()
    expect(page.locator(".farm-told", has_text="Fixed")).to_contain_text("test_hours_are_rounded")
    page.get_by_text("Slowest tests").click()
    expect(page.locator("#slowest-test li")).to_have_count(10)
    rows.nth(1).get_by_role("link", name="history").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("tests.test_web::test_mail[smtp]")
    expect(page.locator("tbody tr")).to_have_count(4)
    expect(page.locator("tbody tr").first).to_contain_text(f"#{number}")
    expect(page.get_by_role("img", name="4 runs, 2 failed")).to_be_visible()


def test_from_a_failing_test_to_its_place_in_the_log(farm, served, look):
    number = tried(farm, "inlog", "test_thanks", log="fine\n" * 30 + "FAILED tests/test_rota.py::test_thanks\n")
    page = look(javascript=False)
    page.goto(f"{served.url}/pipelines/{number}")
    page.get_by_role("link", name="in the log").click()
    expect(page.get_by_role("status")).to_contain_text("1 of 32 lines have “test_thanks”")
    expect(page.locator("mark")).to_have_text("test_thanks")
    page.locator(".farm-found a").click()
    expect(page).to_have_url(re.compile("/logs/test#test-L32$"))
    page.get_by_placeholder("search the whole log").fill("<b>nothing")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".farm-empty")).to_contain_text("No line has “<b>nothing”.")


def test_the_tests_of_a_branch_with_those_that_need_attention_first(farm, served, look):
    tried(farm, "branch")
    number = tried(farm, "branch", "test_thanks")
    page = look(javascript=False)
    page.goto(f"{served.url}/pipelines/{number}")
    page.get_by_role("link", name="all tests").click()
    expect(page.locator("tbody tr")).to_have_count(13)
    expect(page.locator("tbody tr").first).to_contain_text("test_thanks")
    expect(page.locator("tbody tr").first).to_contain_text("1 of 2")
    page.get_by_label("Name has").fill("WEB")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(6)
    page.goto(f"{served.url}/tests?repository=nowhere")
    expect(page.locator(".farm-empty")).to_contain_text("No test is remembered here")


def test_groups_of_a_log_fold_and_are_listed(farm, served, look):
    number = farm.push("Groups", repository="groups")
    farm.run(number, "build", log="::group::Install\nfetch\nunpack\n::endgroup::\nbetween\n$ make\ncc\n")
    page = look()
    page.goto(f"{served.url}/pipelines/{number}/logs/build")
    page.get_by_text("3 groups", exact=True).click()
    expect(page.locator(".farm-outline li")).to_have_text(["1 --- attempt 1 on w1@c1 ---", "2 Install", "7 $ make"])
    page.get_by_role("button", name="Install").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#build-L3, #build-L4")).to_have_count(2)
    expect(page.locator("#build-L3")).to_be_hidden()
    expect(page.locator("#build-L6")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#build-L3")).to_be_visible()


def test_the_time_left_is_taken_from_earlier_pipelines(farm, served, look):
    for seconds in (600, 620, 4000):
        number = tried(farm, "estimated")
        farm.run(number, "release", Status.PASSED)
        key = f"farm:pipeline:{number}"
        farm.client.hset(key, "started", float(farm.client.hget(key, "finished")) - seconds)
    number = farm.push("Runs", repository="estimated")
    farm.run(number, "build")
    page = look()
    page.goto(f"{served.url}/pipelines/{number}")
    expect(page.locator(".farm-hero [data-until]")).to_have_text(re.compile("about 10 min 1. s left"))


def test_retry_says_who_and_keeps_what_passed(farm, served, look):
    number = tried(farm, "retried", "test_thanks")
    page = look()
    page.goto(f"{served.url}/pipelines/{number}")
    page.get_by_role("button", name="Retry failed").click()
    expect(page.locator(".farm-hero")).to_contain_text("round 2, retried by somebody at 127.0.0.1")
    expect(page.locator(".farm-hero .farm-badge")).to_have_text("pending")
    expect(page.locator(".farm-stage").first).to_contain_text("passed")
    run_tests(farm, number)
    expect(page.locator(".farm-tests h2")).to_contain_text("1 flaky")


def test_throughput_is_plotted_without_a_script(another_farm, another_served, look):
    farm = another_farm
    farm.worker(queues=("build", "test", "release", "test+gpu"), busy=("#1 build",))
    lost = farm.push("Lost")
    farm.claim(lost, "build", "w9@c9")
    busy(farm)
    page = look(javascript=False)
    page.goto(f"{another_served.url}/queues")
    card = page.get_by_role("region", name="Throughput of test+gpu")
    expect(card).to_contain_text("median")
    expect(card.get_by_role("img")).to_have_count(3)
    expect(page.locator("tr", has_text=f"#{lost} build")).to_contain_text("w9@c9 lost")
    expect(page.locator("tr", has=page.locator("th", has_text="c1"))).to_contain_text("1 of 4")
    page.get_by_role("link", name="last week").click()
    expect(page.get_by_text("No step finished within the last week.")).to_be_visible()
    page.get_by_role("link", name="Machines").click()
    row = page.locator("tr", has=page.locator("th", has_text="w1@c1"))
    expect(row).to_contain_text("#1 build")
    page.get_by_role("button", name="Drain w1@c1").click()
    expect(row).to_contain_text("takes no work: ")
    expect(row).to_contain_text("somebody at 127.0.0.1")
    page.get_by_role("button", name="Let w1@c1 take work again").click()
    expect(row).not_to_contain_text("takes no work")


def test_images_can_be_rolled_back_and_run(another_farm, another_served, look):
    farm = another_farm
    first, second = (released(farm, word, "Ada Oyelaran", 5) for word in ("One", "Two"))
    page = look()
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{another_served.url}/images")
    image = page.locator(".farm-image")
    expect(image).to_contain_text("thyme:latest")
    expect(image).to_contain_text("docker run --rm -P --pull always 127.0.0.1:5000/thyme:latest")
    expect(image.locator(".farm-meta").first).to_contain_text(f"#{second} Two")
    expect(page.get_by_role("img", name="Badge of thyme main")).to_be_visible()
    page.get_by_role("button", name=f"Roll back to #{first}").click()
    expect(image.locator(".farm-meta").first).to_contain_text(f"#{first} One")
    expect(image.locator(".farm-meta").first).to_contain_text("rolled back by somebody at 127.0.0.1")
