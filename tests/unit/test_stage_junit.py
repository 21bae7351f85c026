"""What is kept of JUnit XML: counts, failing and slowest tests, one result a name."""

import pytest

from farm.cli import view
from farm.record import TestResult as Result
from workers import junit

REPORT = b"""<testsuites><testsuite name="s">
<testcase classname="tests.test_vat" name="test_round" time="0.5"/>
<testcase classname="tests.test_vat" name="test_sum" time="2">
<failure message="assert 19 == 20">long text</failure></testcase>
<testcase classname="tests.test_vat" name="test_later" time="0"><skipped/></testcase>
<testcase name="twice" time="1"><error>boom</error></testcase>
<testcase name="twice" time="3"/>
</testsuite></testsuites>"""


def test_what_the_record_keeps():
    document = junit.read([REPORT]).document()
    assert {key: document[key] for key in ("total", "passed", "failed", "skipped")} == {
        "total": 5,
        "passed": 2,
        "failed": 2,
        "skipped": 1,
    }
    assert document["failing"][0] == {
        "name": "test_sum",
        "suite": "tests.test_vat",
        "message": "assert 19 == 20",
        "seconds": 2.0,
    }
    assert [test["name"] for test in document["slowest"]] == ["twice", "test_sum", "twice", "test_round"]
    assert "results" not in document


def test_the_branch_remembers_one_result_a_name_the_worst_first():
    assert junit.read([REPORT]).results == [
        Result("tests.test_vat::test_sum", "failed", 2.0),
        Result("twice", "failed", 1.0),
        Result("tests.test_vat::test_round", "passed", 0.5),
        Result("tests.test_vat::test_later", "skipped", 0.0),
    ]


def test_what_has_just_broken_is_named_first():
    report = junit.read([REPORT])
    assert "failed: test_sum, twice" in report.sentence
    assert "failed: twice, test_sum" in report.beginning_with(["twice"]).sentence


def test_tests_of_one_name_are_named_with_their_suites():
    cases = ["a.test_vat|test_sum", "b.test_tax|test_sum", "b.test_tax|test_one", "|test_two", "b.test_tax|test_one"]
    text = "".join(
        '<testcase classname="{}" name="{}"><failure/></testcase>'.format(*case.split("|")) for case in cases
    )
    report = junit.read([f"<testsuite>{text}</testsuite>".encode()])
    assert report.sentence.endswith("failed: a.test_vat::test_sum, b.test_tax::test_sum, test_one, test_two, test_one")
    document = {"stages": [{"jobs": [{"result": {"tests": report.document()}}]}]}
    assert list(view.failing(document))[:3] == ["  ✗ a.test_vat::test_sum", "  ✗ b.test_tax::test_sum", "  ✗ test_one"]


def test_what_is_kept_is_bounded():
    cases = "".join(f'<testcase name="{n}{"x" * 1000}" time="1"><failure/></testcase>' for n in range(6000))
    report = junit.read([f"<testsuite>{cases}</testsuite>".encode()])
    assert (len(report.document()["failing"]), len(report.slowest), len(report.results)) == (50, 10, 5000)
    assert len(report.results[0].test) == 300


@pytest.mark.parametrize("time", ["NaN", "inf", "-3", "1e300", "1.5s", "soon"])
def test_a_time_that_no_clock_says_is_none(time):
    report = junit.read([f'<testsuite><testcase name="a" time="{time}"><failure/></testcase></testsuite>'.encode()])
    assert (report.results[0].seconds, report.failing[0].seconds, report.slowest) == (0.0, 0.0, ())


@pytest.mark.parametrize(
    "report",
    [
        b"no XML",
        b"<html/>",
        b'<?xml version="1.0" encoding="none-such"?><testsuites/>',
        b'<!DOCTYPE t [<!ENTITY a "b">]><testsuites name="&a;"/>',
        b'<!DOCTYPE t [<!ENTITY a SYSTEM "file:///etc/hostname">]><testsuites><testsuite name="&a;"/></testsuites>',
    ],
)
def test_what_is_no_report_or_declares_entities_is_refused(report):
    with pytest.raises(ValueError):  # noqa: PT011 - each parser says it in its own words
        junit.read([report])
