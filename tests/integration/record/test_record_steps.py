"""CLAIM, RENEW, COMMIT, GIVE_BACK: who may work, and whose work counts."""

import threading
from dataclasses import replace

import pytest

from farm.errors import Canceled, LeaseLost, Refused
from farm.pipeline import Status, Step
from tests.records import CHAIN, FAN, Farm, oid

pytestmark = pytest.mark.redis


def test_opens_once_and_makes_only_the_first_step_ready(farm: Farm) -> None:
    number = farm.open()
    assert not farm.record.open(number, definition="{}", steps=CHAIN, image_repository="thyme")
    assert "ready" in farm.step(number, "build")
    assert "ready" not in farm.step(number, "test")
    assert farm.ledger.undispatched() == []


def test_opens_nothing_that_is_unknown_or_over(farm: Farm) -> None:
    assert not farm.record.open(99, definition="{}", steps=CHAIN, image_repository="thyme")
    number = farm.enter(farm.push("-", "a"))[0]
    farm.record.close(number, Status.FAILED, "definition")
    assert not farm.record.open(number, definition="{}", steps=CHAIN, image_repository="thyme")


def test_refuses_step_names_that_cannot_be_keys(farm: Farm) -> None:
    number = farm.enter(farm.push("-", "a"))[0]
    with pytest.raises(Refused, match="blanks"):
        farm.record.open(number, definition="{}", steps=[Step("a b", "build")], image_repository="thyme")


def test_claim_carries_all_that_a_stage_needs(farm: Farm) -> None:
    number = farm.open("b", "a", who="jo", options=("x",))
    farm.record.describe(number, subject='Fix "VÄT"', author="Jo <jo@x>")
    farm.record.commit(
        farm.claim(number, "build"), Status.PASSED, result={"image": "h/thyme@sha256:1", "nothing": [], "none": {}}
    )
    claim = farm.claim(number, "test", "w2@h")
    assert (claim.stage, claim.worker, claim.attempt, claim.round) == ("test", "w2@h", 1, 1)
    assert (claim.repository, claim.url, claim.ref) == ("thyme", "file:///srv/thyme.git", "refs/heads/main")
    assert (claim.old, claim.commit) == (oid("b"), oid("a"))
    assert (claim.image, claim.image_repository, claim.definition) == ("h/thyme@sha256:1", "thyme", "{}")
    assert claim.results == {"build": {"image": "h/thyme@sha256:1", "nothing": [], "none": {}}}
    assert (claim.subject, claim.author, claim.who) == ('Fix "VÄT"', "Jo <jo@x>", "jo")


def test_claim_verdicts(farm: Farm) -> None:
    number = farm.open()
    assert farm.record.claim(number, "test", "w1").verdict == "early"
    build = farm.claim(number, "build")
    assert farm.record.claim(number, "build", "w2").verdict == "busy"
    farm.record.commit(build, Status.PASSED)
    again = farm.record.claim(number, "build", "w2")
    assert (again.verdict, again.next) == ("done", True)
    farm.record.commit(farm.claim(number, "test"), Status.FAILED, reason="2 tests failed")
    assert farm.record.claim(number, "test", "w2").verdict == "dead"
    assert farm.record.claim(number, "release", "w2").verdict == "dead"
    again = farm.record.claim(number, "build", "w2")
    assert (again.verdict, again.next) == ("done", False)
    assert farm.record.claim(77, "build", "w2").verdict == "dead"


def test_a_record_of_another_schema_is_left_to_others(farm: Farm) -> None:
    number = farm.open()
    farm.redis.hset(f"farm:pipeline:{number}", "schema", 2)
    assert farm.record.claim(number, "build", "w1").verdict == "early"
    assert farm.step(number, "build")["status"] == "pending"


def test_a_repeated_request_gets_the_same_fence(farm: Farm) -> None:
    number = farm.open()
    arguments = (number, "build", "w1", 9.0, 1, "request-1")
    first, second = farm.record.scripts.run("claim", *arguments), farm.record.scripts.run("claim", *arguments)
    assert first == second
    assert farm.step(number, "build")["attempts"] == "1"


def test_one_of_many_wins_a_claim(farm: Farm) -> None:
    number = farm.open()
    start = threading.Barrier(16)
    verdicts: list[str] = []

    def race(worker: str) -> None:
        start.wait()
        verdicts.append(farm.record.claim(number, "build", worker).verdict)

    threads = [threading.Thread(target=race, args=(f"w{k}",)) for k in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(verdicts) == ["busy"] * 15 + ["go"]


def test_fences_grow_over_the_whole_farm(farm: Farm) -> None:
    first, second = farm.open("-", "a"), farm.open("a", "b")
    fences = [farm.claim(first, "build").fence, farm.claim(second, "build").fence]
    farm.record.give_back(replace(farm.record.claim(first, "build", "w1"), fence=fences[0]), "x", counted=False)
    fences.append(farm.claim(first, "build").fence)
    assert fences == sorted(set(fences))


def test_commit_walks_the_chain_to_the_end_and_tells_it(farm: Farm) -> None:
    number = farm.open()
    ready = farm.record.commit(farm.claim(number, "build"), Status.PASSED, result={"image": "h/thyme@sha256:1"})
    assert [step.name for step in ready] == ["test"]
    assert farm.step(number, "test")["ready"]
    assert farm.redis.zscore("farm:deadlines", f"{number} test") > farm.now()
    farm.pass_step(number, "test")
    assert farm.record.commit(farm.claim(number, "release"), Status.PASSED) == ()
    pipeline = farm.record.pipeline(number)
    assert (pipeline.status, pipeline.reason, pipeline.image) == (Status.PASSED, None, "h/thyme@sha256:1")
    assert farm.redis.zcard("farm:deadlines") == 0
    assert farm.events()[0] == (str(number), "created", "", "pending")
    assert farm.events()[-2:] == [(str(number), "step", "release", "passed"), (str(number), "finished", "", "passed")]
    assert [event[1] for event in farm.events()].count("finished") == 1


def test_a_commit_whose_reply_was_lost_is_recognised(farm: Farm) -> None:
    number = farm.open()
    build = farm.claim(number, "build")
    first = farm.record.commit(build, Status.PASSED, result={"image": "h/t@sha256:1"})
    events = farm.events()
    assert farm.record.commit(build, Status.FAILED, reason="no") == first
    assert farm.events() == events
    assert farm.step(number, "build")["status"] == "passed"


def test_a_commit_without_the_fence_is_refused(farm: Farm) -> None:
    number = farm.open()
    build = farm.claim(number, "build")
    zombie = replace(build, fence=build.fence - 1)
    with pytest.raises(LeaseLost):
        farm.record.commit(zombie, Status.PASSED)
    with pytest.raises(LeaseLost):
        farm.record.renew(zombie)
    assert farm.step(number, "build")["status"] == "running"


def test_a_step_is_not_committed_as_running_or_canceled(farm: Farm) -> None:
    build = farm.claim(farm.open(), "build")
    for status in (Status.RUNNING, Status.CANCELED):
        with pytest.raises(ValueError, match="not committed"):
            farm.record.commit(build, status)


def test_a_failure_skips_what_follows_and_names_the_reason(farm: Farm) -> None:
    number = farm.open()
    farm.pass_step(number, "build")
    farm.record.commit(farm.claim(number, "test"), Status.FAILED, reason="2 of 9 tests failed")
    pipeline = farm.record.pipeline(number)
    assert (pipeline.status, pipeline.reason) == (Status.FAILED, "2 of 9 tests failed")
    release = pipeline.stages[-1].jobs[0]
    assert (release.status, release.reason) == (Status.SKIPPED, "test failed")


def test_the_reason_of_a_pipeline_names_the_job_and_counts_the_others(farm: Farm) -> None:
    number = farm.open(steps=FAN)
    farm.pass_step(number, "build")
    for job in ("test/b", "test/a"):
        farm.record.commit(farm.claim(number, job), Status.FAILED, reason=f"exit code 1 of {job}")
    assert farm.record.pipeline(number).reason == "a: exit code 1 of test/a (and 1 more)"


def test_siblings_finish_when_one_job_fails(farm: Farm) -> None:
    number = farm.open(steps=FAN)
    ready = farm.record.commit(farm.claim(number, "build"), Status.PASSED)
    assert [step.name for step in ready] == ["test/a", "test/b"]
    a, b = farm.claim(number, "test/a"), farm.claim(number, "test/b")
    assert farm.record.commit(a, Status.FAILED, reason="no") == ()
    assert farm.status(number) is Status.RUNNING
    assert farm.step(number, "release")["status"] == "skipped"
    farm.record.commit(b, Status.PASSED)
    assert farm.status(number) is Status.FAILED


def test_the_last_of_several_jobs_makes_the_release_ready(farm: Farm) -> None:
    number = farm.open(steps=FAN)
    farm.record.commit(farm.claim(number, "build"), Status.PASSED)
    a, b = farm.claim(number, "test/a"), farm.claim(number, "test/b")
    assert farm.record.commit(b, Status.PASSED) == ()
    assert [step.name for step in farm.record.commit(a, Status.PASSED)] == ["release"]


def test_a_remark_stays_on_a_pipeline_that_passes(farm: Farm) -> None:
    number = farm.enter(farm.push("-", "a"))[0]
    farm.record.open(number, definition="{}", steps=CHAIN[:1], image_repository="thyme", reason="nothing was tested")
    farm.pass_step(number, "build")
    assert farm.record.pipeline(number).reason == "nothing was tested"


def test_a_skipped_release_passes_and_says_why(farm: Farm) -> None:
    number = farm.open()
    farm.record.commit(farm.to_release(number), Status.SKIPPED, reason="topic is no release branch")
    pipeline = farm.record.pipeline(number)
    assert (pipeline.status, pipeline.reason) == (Status.PASSED, "topic is no release branch")


def test_faults_of_the_farm_are_tried_again_after_growing_pauses(farm: Farm) -> None:
    number = farm.open()
    pauses = []
    for _ in range(2):
        claim = farm.claim(number, "build")
        assert farm.record.give_back(claim, "the registry is down") is Status.PENDING
        assert farm.record.give_back(claim, "the registry is down") is Status.PENDING  # its reply was lost
        assert farm.record.claim(number, "build", "w2").verdict == "early"
        pauses.append(float(farm.step(number, "build")["ready"]) - farm.now())
        assert farm.record.waiting(number) is not None
        assert "the registry is down" in str(farm.record.waiting(number))
        farm.redis.hset(f"farm:pipeline:{number}:step:build", "ready", farm.now() - 1)
    assert pauses == [pytest.approx(2, abs=0.5), pytest.approx(8, abs=0.5)]
    assert farm.record.give_back(farm.claim(number, "build"), "the registry is down") is Status.ERRORED
    pipeline = farm.record.pipeline(number)
    assert (pipeline.status, pipeline.reason) == (Status.ERRORED, "the registry is down")
    assert farm.step(number, "test")["status"] == "skipped"


def test_a_worker_that_shuts_down_hands_over_at_once_and_uncounted(farm: Farm) -> None:
    number = farm.open()
    for _ in range(5):
        claim = farm.claim(number, "build")
        assert farm.record.give_back(claim, "w1 shuts down", counted=False) is Status.PENDING
        with pytest.raises(LeaseLost):
            farm.record.commit(claim, Status.PASSED)
    assert [wake.steps[0].name for wake in farm.record.reap()] == ["build"]


def test_cancel_is_seen_at_the_next_renewal(farm: Farm) -> None:
    number = farm.open()
    claim = farm.claim(number, "build")
    farm.record.cancel(number, "jo")
    for act in (
        farm.record.renew,
        lambda c: farm.record.commit(c, Status.PASSED),
        lambda c: farm.record.give_back(c, "x"),
    ):
        with pytest.raises(Canceled):
            act(claim)
    pipeline = farm.record.pipeline(number)
    assert (pipeline.status, pipeline.reason) == (Status.CANCELED, "canceled by jo")
    assert {job.status for stage in pipeline.stages for job in stage.jobs} == {Status.CANCELED}
    assert farm.record.claim(number, "build", "w2").verdict == "dead"
    assert farm.redis.zcard("farm:deadlines") == 0
    with pytest.raises(Refused, match="over already"):
        farm.record.cancel(number, "jo")
    with pytest.raises(Refused, match="no pipeline #99"):
        farm.record.cancel(99, "jo")


def test_cancel_also_ends_what_no_dispatcher_has_seen(farm: Farm) -> None:
    number = farm.enter(farm.push("-", "a"))[0]
    farm.record.cancel(number, "jo")
    assert farm.ledger.undispatched() == []
    assert not farm.record.open(number, definition="{}", steps=CHAIN, image_repository="thyme")


def test_close_ends_a_pipeline_without_steps_only(farm: Farm) -> None:
    deleted = farm.enter(farm.push("a", "-"))[0]
    assert farm.record.close(deleted, Status.SKIPPED, "refs/heads/main was deleted")
    assert not farm.record.close(deleted, Status.FAILED, "no")
    pipeline = farm.record.pipeline(deleted)
    assert (pipeline.status, pipeline.reason, pipeline.stages) == (Status.SKIPPED, "refs/heads/main was deleted", ())
    assert not farm.record.close(farm.open("-", "b"), Status.FAILED, "no")


def test_renewal_after_the_own_commit_is_no_alarm(farm: Farm) -> None:
    claim = farm.claim(farm.open(), "build")
    farm.record.commit(claim, Status.PASSED)
    farm.record.renew(claim)
