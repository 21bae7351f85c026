"""What git does to a ref, and what `latest` is in the end: whatever finishes when, the last push of the ref has it."""

import itertools
from collections.abc import Sequence

import pytest

from farm.errors import Refused
from farm.pipeline import Status
from tests.records import CHAIN, Farm, oid

pytestmark = pytest.mark.redis

# Each is the ref's story in pushes "old new"; `-` is no commit at all.
STORIES = {
    "there and back": ("-a", "ab", "ba", "ab"),
    "force pushes": ("-a", "ax", "xb", "ba"),
    "a branch that is created again": ("-a", "ab", "b-", "-c"),
    "created again where it was": ("-a", "a-", "-a"),
}


def finish(farm: Farm, number: int) -> Status:
    """Pass every step; the release is what the order makes of it."""
    claim = farm.to_release(number)
    intent = farm.record.release_begin(claim, "latest")
    if intent.go:
        assert farm.record.release_done(claim, "latest")
    farm.record.commit(claim, Status.PASSED if intent.go else Status.SUPERSEDED, reason=intent.reason)
    return farm.status(number)


def enter(farm: Farm, story: Sequence[str], told: Sequence[int]) -> list[int]:
    """Report the pushes in the order in which they are told, each with git's reflog, and open what has a commit.

    Return the numbers in the order of the story; of two equal pushes either may stand for the other.
    """
    for k in told:
        farm.enter(farm.push(*story[k]), reflog=" ".join(story))
    order = farm.order()
    found = [farm.ledger.push(number) for number in order]
    assert [(push.old, push.new) for push in found] == [(oid(pair[0]), oid(pair[1])) for pair in story]
    for k, number in enumerate(order):
        if story[k][1] == "-":
            farm.record.close(number, Status.SKIPPED, "the branch was deleted")
        else:
            farm.record.open(number, definition="{}", steps=CHAIN, image_repository="thyme")
    return order


@pytest.mark.parametrize("name", STORIES)
def test_the_last_push_wins_however_they_finish_and_are_told(farm: Farm, name: str) -> None:
    story = STORIES[name]
    for told in itertools.permutations(range(len(story))):
        for order in itertools.permutations([k for k in range(len(story)) if story[k][1] != "-"]):
            if told != tuple(range(len(story))) and order != tuple(sorted(order, reverse=True)):
                continue  # late reports are tried with the order of finishing that is hardest
            farm.redis.flushall()
            farm.ledger.register("thyme", "file:///srv/thyme.git", "main", {})
            numbers = enter(farm, story, told)
            highest = -1
            for k in order:
                expected = Status.PASSED if k > highest else Status.SUPERSEDED
                assert finish(farm, numbers[k]) is expected
                highest = max(highest, k)
            assert farm.record.intents()[0].number == numbers[-1]


def test_two_branches_want_one_tag(farm: Farm) -> None:
    main, topic = farm.open("-", "a"), farm.open("-", "b", ref="refs/heads/topic")
    farm.release(topic, "stable")
    claim = farm.to_release(main)
    with pytest.raises(Refused, match=r"`stable` belongs to refs/heads/topic of thyme"):
        farm.record.release_begin(claim, "stable")
    newer = farm.open("b", "c", ref="refs/heads/topic")
    farm.release(newer, "stable")
    assert [(each.tag, each.number) for each in farm.record.intents()] == [("stable", newer)]


def test_whose_tag_it_is(farm: Farm) -> None:
    topic, main = farm.open("-", "b", ref="refs/heads/topic"), farm.open("-", "a")
    farm.release(topic, "stable")
    claim = farm.to_release(main)
    assert farm.record.owner_of(claim, "stable") == "thyme refs/heads/topic"
    assert farm.record.owner_of(claim, "dev") == ""


def test_a_branch_that_is_created_again_still_owns_its_tag(farm: Farm) -> None:
    farm.release(farm.open("-", "a"))
    farm.record.close(farm.enter(farm.push("a", "-"))[0], Status.SKIPPED, "the branch was deleted")
    again = farm.open("-", "b")
    farm.release(again)
    assert farm.record.intents()[0].number == again


def test_a_git_tag_gets_tags_of_its_own_and_never_latest(farm: Farm) -> None:
    main, tag = farm.open("-", "a"), farm.open("-", "a", ref="refs/tags/v1")
    claim = farm.to_release(tag)
    with pytest.raises(Refused, match="never moves `latest`"):
        farm.record.release_begin(claim, "latest")
    assert farm.record.release_begin(claim, "v1").go
    farm.release(main)
    assert {each.tag: each.number for each in farm.record.intents()} == {"v1": tag, "latest": main}


def test_a_retry_of_an_old_pipeline_never_moves_latest_back(farm: Farm) -> None:
    old, new = farm.open("-", "a"), farm.open("a", "b")
    farm.release(old)
    farm.release(new)
    farm.record.retry(old, "jo")
    farm.pass_step(old, "test")
    intent = farm.record.release_begin(farm.claim(old, "release"), "latest")
    assert (intent.go, intent.winner) == (False, new)
    assert farm.record.intents()[0].number == new


def test_a_retry_of_the_newest_does_not_undo_a_rollback(farm: Farm) -> None:
    old, new = farm.open("-", "a"), farm.open("a", "b")
    farm.release(old)
    farm.release(new)
    farm.record.rollback("thyme", "latest", None, "jo")
    farm.record.retry(new, "jo")
    farm.pass_step(new, "test")
    assert farm.record.release_begin(farm.claim(new, "release"), "latest").winner == old
    assert farm.record.intents()[0].number == old


def test_what_a_tag_is_and_was(farm: Farm) -> None:
    old, new = farm.open("-", "a"), farm.open("a", "b", who="ada")
    farm.release(old)
    farm.release(new)
    farm.record.rollback("thyme", "latest", None, "eve")
    farm.record.checked(farm.record.intents()[0], 1.0)
    (tag,) = farm.record.tags("thyme")
    assert (tag.intent.number, tag.intent.mark, tag.who, tag.kind) == (old, new, "eve", "rollback")
    rows = [(each.number, each.kind, each.who) for each in tag.history]
    assert rows == [(old, "rollback", "eve"), (new, "release", "ada"), (old, "release", "jo")]
    assert [each.time for each in tag.history] == sorted((each.time for each in tag.history), reverse=True)
    assert farm.record.tags("thyme", "other") == farm.record.tags("sage") == []
    assert len(farm.record.tags(history=1)[0].history) == 1


def test_a_retry_that_releases_is_its_person_s(farm: Farm) -> None:
    number = farm.open()
    farm.pass_step(number, "build")
    farm.record.commit(farm.claim(number, "test"), Status.FAILED, reason="no")
    farm.record.retry(number, "eve", failed=True)
    farm.pass_step(number, "test")
    claim = farm.claim(number, "release")
    farm.record.release_begin(claim, "latest")
    farm.record.release_done(claim, "latest")
    assert farm.record.tags()[0].history[0].who == "eve"


def test_the_history_of_a_tag_is_bounded(farm: Farm) -> None:
    numbers = [farm.open("-", "a"), farm.open("a", "b")]
    for number in numbers:
        farm.release(number)
    for k in range(120):
        farm.record.rollback("thyme", "latest", numbers[k % 2], "jo")
        farm.record.checked(farm.record.intents()[0], 1.0)
    assert len(farm.record.tags()[0].history) == 100


def test_rollbacks_that_are_refused(farm: Farm) -> None:
    with pytest.raises(Refused, match="never released by this farm"):
        farm.record.rollback("thyme", "latest", None, "jo")
    first, second = farm.open("-", "a"), farm.open("a", "b")
    farm.release(first)
    for number, words in (
        (None, f"was nothing else before #{first}"),
        (first, f"is #{first} already"),
        (second, f"#{second} never released thyme:latest"),
        (99, "#99 never released"),
    ):
        with pytest.raises(Refused, match=words):
            farm.record.rollback("thyme", "latest", number, "jo")
    farm.release(second)
    farm.record.lose("thyme", farm.record.tags()[0].history[1].digest)
    with pytest.raises(Refused, match=f"gone from the registry; `farm retry {first}`"):
        farm.record.rollback("thyme", "latest", None, "jo")
    farm.redis.hset("farm:tag:thyme-old:latest", mapping=farm.redis.hgetall("farm:tag:thyme:latest"))
    farm.redis.zadd("farm:tags", {"thyme-old latest": 0})
    with pytest.raises(Refused, match="several images have a tag 'latest': thyme, thyme-old"):
        farm.record.rollback("thyme", "latest", None, "jo")


def test_a_rollback_can_be_undone(farm: Farm) -> None:
    first, second = farm.open("-", "a"), farm.open("a", "b")
    farm.release(first)
    farm.release(second)
    farm.record.rollback("thyme", "latest", None, "jo")
    assert farm.record.rollback("thyme", "latest", second, "jo").number == second
    farm.record.retry(second, "jo")
    farm.pass_step(second, "test")
    assert farm.record.release_begin(farm.claim(second, "release"), "latest").go


def test_a_build_whose_image_is_gone_is_built_again(farm: Farm) -> None:
    number = farm.open()
    farm.pass_step(number, "build")
    farm.record.commit(farm.claim(number, "test"), Status.FAILED, reason="no")
    farm.record.lose("thyme", str(farm.record.pipeline(number).image).partition("@")[2])
    (wake,) = farm.record.retry(number, "jo", failed=True)
    assert [step.name for step in wake.steps] == ["build", "test", "release"]
    farm.release(number)
    with pytest.raises(Refused, match="leave --failed away"):
        farm.record.retry(number, "jo", failed=True)
