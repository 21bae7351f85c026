"""What the keys of a definition do to the containers of a job, from the text of the file to the real engine."""

from typing import Any

import pytest

from farm.definition import parse
from farm.errors import Failed
from farm.pipeline import Status
from workers import test

pytestmark = [pytest.mark.engine, pytest.mark.registry]
SERVE = "while true; do echo hello | nc -l -p 4000; done"


@pytest.fixture
def tried(workspace, repository, images):
    """Give a function that runs the job of a definition in the busybox image, at a commit with some files."""

    def run(text: str, job: str = "test", **other: Any):
        commit = repository.commit({"src/a.txt": "committed\n", "check": "#!/bin/sh\necho checked\n", "b.xml": "<a/>"})
        definition = parse(text.replace("IMAGE", images.busybox))
        step = "test" if job == "test" else f"test/{job}"
        return test.run(workspace(commit, definition, step=step, image=images.busybox, **other))

    return run


def test_a_shared_network_has_the_services_on_localhost_and_under_their_names(tried, said):
    outcome = tried(f"""
        test:
          network: shared
          script:
            - nc localhost 4000 </dev/null
            - nc b 5000 </dev/null
          services:
            a: {{image: IMAGE, command: [sh, -c, "{SERVE}"], ready: {{port: 4000}}}}
            b: {{image: IMAGE, command: [sh, -c, "{SERVE.replace("4000", "5000")}"], ready: {{port: 5000}}}}
        """)
    assert outcome.status is Status.PASSED, said.text
    assert said.text.count("hello\n") == 2


def test_a_job_without_services_may_share_the_network_that_others_do(tried):
    jobs = "a: {script: x, services: {db: IMAGE}}, b: {script: 'true'}"
    assert tried(f"test: {{network: shared, jobs: {{{jobs}}}}}", job="b").status is Status.PASSED


def test_the_own_network_has_nothing_on_localhost(tried):
    outcome = tried(f"""
        test:
          script: nc localhost 4000 </dev/null
          services:
            a: {{image: IMAGE, command: [sh, -c, "{SERVE}"], ready: {{port: 4000}}}}
        """)
    assert outcome.status is Status.FAILED


def test_the_checkout_has_the_files_of_the_commit_and_is_where_the_script_starts(tried, said):
    outcome = tried("""
        test:
          checkout: /work/here
          script:
            - pwd
            - stat -c %a . src src/a.txt
            - cat src/a.txt
            - echo more >src/new
            - echo new >new
            - sh ./check
          reports: {junit: "*.xml"}
        """)
    assert outcome.status is Status.PASSED, said.text
    assert said.text.startswith("/work/here\n777\n777\n666\ncommitted\nchecked\n")  # whoever the job's user is


def test_a_job_and_a_service_have_the_memory_and_tmpfs_that_they_ask_for(tried, said):
    outcome = tried("""
        test:
          memory: 64m
          script:
            - cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true
          services:
            db:
              image: IMAGE
              memory: 32m
              tmpfs: [/a, /b]
              command: sleep 600
              ready: >-
                grep -q ' /b tmpfs ' /proc/mounts &&
                cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>&1 | grep -qx 33554432
        """)
    assert outcome.status is Status.PASSED, said.text
    assert "67108864\n" in said.text


def test_more_memory_than_the_farm_gives_is_refused(tried):
    with pytest.raises(Failed, match=r"memory: 1024m is more than the 256m that this farm gives"):
        tried("test: {script: 'true', memory: 1g}")


def test_an_allowed_failure_is_marked_as_one(tried):
    outcome = tried("test: {script: exit 3}")
    assert outcome.status is Status.FAILED
    for allow, marked in (("true", True), ("[3, 5]", True), ("4", False), ("false", False)):
        job = parse(f"test: {{script: exit 3, allow_failure: {allow}}}").jobs["test"]
        assert bool(test.forgiven(job, outcome).result.get("allowed")) is marked, allow


def test_each_try_has_containers_of_its_own_and_one_log_has_all(tried, said):
    outcome = tried("""
        test:
          script: 'echo try $FARM_TRY; test ! -e /tmp/x; touch /tmp/x; nc db 4000 </dev/null; test $FARM_TRY = 2'
          retry: 3
          services: {db: {image: IMAGE, command: [sh, -c, "echo fresh | nc -l -p 4000"], ready: "true"}}
        """)
    assert outcome.status is Status.PASSED, said.text
    assert outcome.reason == "flaky, passed on try 2 of 4: script ended with exit code 1"
    assert [each["exit"] for each in outcome.result["tries"]] == [1]
    told = [line for line in said.text.splitlines() if line.startswith(("try", "fresh", "failed", "--- try"))]
    failed = "failed: script ended with exit code 1"
    assert told == ["try 1", "fresh", failed, "--- try 2 of 4 ---", "try 2", "fresh"]


@pytest.mark.parametrize(
    ("script", "on", "tries"),
    [
        ("exit 3", "[3]", 2),
        ("exit 3", "[4, timeout]", 1),
        ("sleep 60", "timeout", 2),
        ("sleep 60", "[137]", 1),
    ],
)
def test_only_the_causes_that_are_named_are_tried_again(tried, said, script, on, tries):
    outcome = tried(f"test: {{script: 'echo on; {script}', retry: {{on: {on}}}, timeout: 1s}}")
    assert outcome.status is Status.FAILED
    assert said.text.count("on\n") == tries, said.text
    assert outcome.reason.endswith("(on try 2 of 2)") == (tries == 2)


def test_a_service_that_does_not_get_ready_is_a_cause(tried, said):
    service = "{image: IMAGE, command: [sh, -c, exit 1], ready: {port: 4000}}"
    with pytest.raises(Failed, match="service db"):
        tried(f"test: {{script: 'true', retry: {{on: service}}, services: {{db: {service}}}}}")
    assert "--- try 2 of 2 ---" in said.text
    with pytest.raises(Failed, match="service db"):
        tried(f"test: {{script: 'true', retry: {{on: timeout}}, services: {{db: {service}}}}}")
    assert said.text.count("--- try 2 of 2 ---") == 1


def test_what_cannot_run_at_all_is_not_tried_again(tried, said):
    with pytest.raises(Failed, match="memory"):
        tried("test: {script: 'true', memory: 1g, retry: 2}")
    assert "try 2" not in said.text


def test_coverage_is_read_and_what_is_none_is_told(tried, said):
    xml = '<coverage lines-covered="3" lines-valid="4"/>'
    script = f"    echo '{xml}' >/tmp/a.xml\n    echo '<x/>' >/tmp/b.xml\n"
    text = f"test:\n  script: |\n{script}  reports: {{coverage: PATTERN}}\n"
    outcome = tried(text.replace("PATTERN", "tmp/a.xml"))
    assert outcome.result["coverage"] == {"percent": 75.0, "covered": 3, "valid": 4}, said.text
    assert "coverage" not in tried(text.replace("PATTERN", "tmp/*.xml")).result
    assert "warning: a report is no Cobertura XML: its root is 'x', not 'coverage'" in said.text
    assert tried(text.replace("PATTERN", "tmp/none")).status is Status.PASSED
    assert "warning: the script left no file that matches tmp/none" in said.text


def test_a_named_job_and_a_shard_are_told_who_they_are(tried, said):
    script = "echo $FARM_STEP $FARM_SHARD/$FARM_SHARDS $X"
    text = f"test: {{jobs: {{a: 'false', b: {{script: '{script}', parallel: 2, matrix: {{X: [y]}}}}}}}}"
    assert tried(text, "b.y-2").status is Status.PASSED
    assert said.text == "test/b.y-2 2/2 y\n"
