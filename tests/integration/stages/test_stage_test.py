"""The test stage on a real engine: what passes, what fails, and the one sentence that says why."""

import re
from dataclasses import replace
from typing import Any

import pytest

from farm.definition import Definition, Job, Ready, Service
from farm.errors import Canceled, Errored, Failed
from farm.pipeline import Status
from workers import test
from workers.engine import Limits

pytestmark = [pytest.mark.engine, pytest.mark.registry]
JUNIT = """<testsuites><testsuite name="s">
<testcase name="test_vat" classname="t.Vat" time="0.5"><failure message="19 != 7">trace</failure></testcase>
<testcase name="test_total"><error message="boom"/></testcase>
<testcase name="test_skip"><skipped/></testcase>
<testcase name="test_good"/>
</testsuite></testsuites>"""


@pytest.fixture
def tried(workspace, images):
    """Give a function that runs a script as a job in the busybox image."""

    def run(*script: str, check=lambda: None, image: str | None = None, limits: Limits | None = None, **job: Any):
        definition = Definition(jobs={"test": Job(script=script, image=job.pop("job_image", None), **job)})
        work = workspace("1" * 40, definition, step="test", image=image or images.busybox, check=check)
        outcome = test.run(replace(work, limits=limits) if limits else work)
        return outcome, work

    return run


def test_a_script_that_passes(tried, said):
    variables = 'echo "$CI $FARM $FARM_PIPELINE $FARM_REPOSITORY $FARM_BRANCH $FARM_STEP $A"'
    outcome, _ = tried(variables, "printf '\\000\\377\\033[31m'", env={"A": "a b"})
    assert outcome.status is Status.PASSED
    assert outcome.document() == {"exit": 0}
    assert said.data == b"true true 7 thyme main test a b\n\0\xff\x1b[31m"


def test_several_commands_are_one_script_that_ends_at_the_first_failure(tried, said):
    outcome, _ = tried("A=1", "echo $A", "(exit 3)", "echo never")
    assert said.text == "1\n"
    assert (outcome.status, outcome.reason, outcome.document()) == (
        Status.FAILED,
        "script ended with exit code 3",
        {"exit": 3},
    )


def test_failing_tests_are_named(tried):
    outcome, _ = tried(f"mkdir -p /r; echo '{JUNIT}' >/r/a.xml; exit 1", junit=("r/*.xml",))
    assert outcome.status is Status.FAILED
    assert outcome.reason == "2 of 4 tests failed: test_vat, test_total"
    tests = outcome.document()["tests"]
    assert (tests["total"], tests["passed"], tests["failed"], tests["skipped"]) == (4, 1, 2, 1)
    assert tests["failing"][0] == {"name": "test_vat", "suite": "t.Vat", "message": "19 != 7", "seconds": 0.5}


def test_failing_tests_count_even_if_the_script_hides_them(tried):
    outcome, _ = tried(f"echo '{JUNIT}' >/a.xml", junit=("*.xml",))
    assert outcome.status is Status.FAILED


def test_a_missing_or_broken_report_is_only_a_warning(tried, said):
    outcome, _ = tried("true", junit=("*.xml",))
    assert (outcome.status, said.text.count("warning: ")) == (Status.PASSED, 1)
    outcome, _ = tried("printf '\\377\\n' >/a.xml", junit=("*.xml",))  # test_stage_junit has more that is none
    assert (outcome.status, said.text.count("warning: ")) == (Status.PASSED, 2), said.text


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("./run-tests.sh", "exit code 127: a command is not found in the image (sh: ./run-tests.sh: not found)"),
        (
            "nothing-here || { sleep 0.1; echo late; exit 127; }",
            "a command is not found in the image (sh: nothing-here: not found)",
        ),
        ("/etc/passwd", "exit code 126: a command is not executable (sh: /etc/passwd: Permission denied)"),
        (
            "sh -c 'kill -9 $$'; exit $?",
            "script was killed (exit code 137), by itself or because it needs more memory than 256 MiB",
        ),
    ],
)
def test_a_script_that_cannot_run(tried, script, reason):
    outcome, _ = tried(script)
    assert outcome.status is Status.FAILED
    assert str(outcome.reason).endswith(reason)


def test_a_timeout_kills(tried, said):
    outcome, _ = tried("trap '' TERM", "echo begun", "sleep 300", timeout=1.0)
    assert (outcome.status, outcome.reason) == (Status.FAILED, "timed out after 1 s")
    assert said.text == "begun\n"


def test_out_of_memory_names_the_limit(tried):
    outcome, _ = tried("tail -c 200m /dev/zero", limits=Limits(memory=32 << 20, cpus=1.0, pids=64))
    assert outcome.status is Status.FAILED
    assert re.search("memory.* than 32 MiB", str(outcome.reason))


def test_a_fork_bomb_is_held(tried):
    outcome, _ = tried("i=0; while [ $i -lt 200 ]; do sleep 5 & i=$((i+1)); done", limits=Limits(pids=20))
    assert outcome.status is Status.FAILED


def test_an_image_without_a_shell(tried, engine):
    made = engine.api.import_image_from_data(bytes(10240), repository="farm-test/empty", tag="local")
    assert made
    with pytest.raises(Failed, match="the image has no `sh`, which runs the script"):
        tried("true", image="farm-test/empty:local")
    engine.images.remove("farm-test/empty:local")


def test_that_the_image_under_test_is_gone_is_ours(tried, registry):
    with pytest.raises(Errored, match=r"@sha256:0+ is gone from the registry; push again to build it again"):
        tried("true", image=f"{registry.host}/gone@sha256:{'0' * 64}")


def test_an_image_that_cannot_be_pulled(tried, registry):
    with pytest.raises(Failed, match="cannot be pulled"):
        tried("true", job_image=f"{registry.host}/no/such:image")
    with pytest.raises(Errored, match="cannot be pulled"):
        tried("true", job_image="127.0.0.1:1/no/such:image")


def test_a_service_is_reached_under_its_name(tried, images, said):
    service = Service(image=images.busybox, command=("httpd", "-f", "-p", "7000", "-h", "/etc"), ready=Ready(port=7000))
    outcome, work = tried("wget -qO- http://db:7000/passwd", services={"db": service})
    assert outcome.status is Status.PASSED
    assert "nobody:x:" in said.text
    assert len(work.engine.objects({"farm.id": work.owner.farm})) == 3


def test_a_service_that_never_gets_ready_shows_its_log(tried, images, said):
    service = Service(
        image=images.busybox, command=("sh", "-c", "echo I am stuck; sleep 99"), ready=Ready(port=1), timeout=1.0
    )
    with pytest.raises(Failed, match="service db did not get ready within 1 s"):
        tried("true", services={"db": service})
    assert "I am stuck" in said.text


def test_a_cancel_stops_it_within_a_second(tried, said):
    def check():
        if "begun" in said.text:
            raise Canceled("canceled")

    with pytest.raises(Canceled):
        tried("echo beg''un; sleep 300", check=check)


def test_a_job_of_several_and_an_image_of_its_own(workspace, images):
    definition = Definition(jobs={"a": Job(script=("false",)), "b": Job(script=("true",), image=images.busybox)})
    work = workspace("1" * 40, definition, step="test/b", image="127.0.0.1:1/none")
    assert test.run(work).status is Status.PASSED
