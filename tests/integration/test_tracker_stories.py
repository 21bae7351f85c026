"""Stories follow commits: a real repository and record, and trackers that take only what the real ones take."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from farm import git
from farm.forges.signature import sign
from farm.git.mirror import fetch
from farm.logs import Logs
from farm.pipeline import Status
from farm.push import ZERO, Push
from farm.report import Delivery, Desk
from farm.reporters.chosen import reporters_of
from farm.reporters.standing import Book
from farm.settings import Secret, Settings, TrackerSettings
from tests.conftest import wait_until as poll
from tests.integration.test_dispatch_push import Origin
from tests.receiver import Answer, Receiver, Request, receiving
from tests.records import CHAIN, Farm
from tests.trackers import TOKEN, V5, Forge, JiraServer

pytestmark = pytest.mark.redis

Serve = Callable[[Any], Receiver]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda tracker: stack.enter_context(receiving(tracker.judge))


class House:
    """A repository whose pushes go through a record, and one tracker that hears of it."""

    def __init__(self, client: Any, folder: Path, receiver: Receiver, **settings: Any) -> None:
        self.farm, self.origin = Farm(client), Origin(folder)
        self.home = folder / "home"
        tracker = TrackerSettings(**{"url": receiver.url, "token": Secret("inline", TOKEN)} | settings)
        chosen = Settings(home=self.home, web_url="https://farm.example", trackers={"ours": tracker})
        (self.reporter,) = reporters_of(chosen, client)
        self.delivery = Delivery(client, self.reporter, Desk(self.farm.record, Logs(client)))
        self.delivery.join()
        self.book = Book(client, self.reporter.name)
        self.tips: dict[str, str] = {}

    def push(self, *messages: str, branch: str = "main") -> int:
        """Push one commit a message and return the pipeline, which is open."""
        for message in messages:
            tip = self.origin.commit(message=message, branch=branch)
        ref, old = f"refs/heads/{branch}", self.tips.get(branch, ZERO)
        self.tips[branch] = tip
        push = Push(f"uuid-{branch}-{tip}", "thyme", ref, old, tip, "jo", source="hook")
        (number,) = self.farm.enter(push)
        mirror = git.mirror_path(self.home, "thyme")
        fetch(mirror, str(self.origin.path))
        said = git.describe(mirror, tip)
        self.farm.record.describe(number, subject=said.subject, author=said.author)
        assert self.farm.record.open(number, definition="{}", steps=CHAIN, image_repository="thyme")
        self.tell()
        return number

    def tell(self) -> float:
        return self.delivery.deliver()

    def test(self, number: int, status: Status = Status.PASSED) -> None:
        self.farm.pass_step(number, "build")
        self.farm.record.commit(self.farm.claim(number, "test"), status)
        self.tell()

    def release(self, number: int) -> None:
        claim = self.farm.claim(number, "release")
        assert self.farm.record.release_begin(claim, "latest").go
        assert self.farm.record.release_done(claim, "latest")
        self.farm.record.commit(claim, Status.PASSED)
        self.tell()

    def roll_back(self, number: int) -> None:
        intent = self.farm.record.rollback("thyme", "latest", number, "ada")
        assert self.farm.record.checked(intent, 1.0)
        self.tell()

    def notes(self, number: int) -> list[str]:
        return list(self.farm.record.pipeline(number).notes)


def test_two_new_branches_with_the_same_commits_do_not_hide_them_from_each_other(
    redis_client: Any, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    v5 = V5.of(1, 2)
    house = House(redis_client, tmp_path, serve(v5), kind="pivotal")
    with monkeypatch.context() as behind:  # the tracker hears of both when both are in the mirror
        behind.setattr(house, "tell", lambda: None)
        house.push("Greet [delivers #1]", branch="try")
        number = house.push("Greet well [delivers #2]")
    house.tell()
    house.test(number)
    house.release(number)
    assert sorted(v5.states) == [(1, "delivered"), (2, "delivered")]


def test_a_new_branch_brings_no_stories_of_the_time_before_the_farm(
    redis_client: Any, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    v5 = V5.of(1, 2, 3)
    house = House(redis_client, tmp_path, serve(v5), kind="pivotal")
    house.farm.ledger.forget("thyme")
    there = house.origin.commit(message="Long ago [delivers #3]")
    house.farm.ledger.register("thyme", "file:///srv/thyme.git", "main", {"refs/heads/main": there})
    house.tips["main"] = there
    with monkeypatch.context() as behind:  # where `main` was before is known from the registration alone
        behind.setattr(house, "tell", lambda: None)
        house.push("Greet [delivers #1]", branch="try")
        house.push("Greet well [delivers #2]")
    house.tell()
    assert [commit["message"] for commit in v5.commits] == ["Greet [#1]", "Greet well [#2]"]


def test_delivered_only_when_latest_has_moved(redis_client: Any, tmp_path: Path, serve: Serve) -> None:
    v5 = V5.of(1, 2, 3, state="unstarted")
    house = House(redis_client, tmp_path, serve(v5), kind="pivotal", project="99")
    number = house.push("First [#3]", "Second [delivers #1]", "Third [fixes #2]")
    assert [commit["message"] for commit in v5.commits] == ["First [#3]", "Second [#1]", "Third [#2]"]
    assert v5.commits[0]["url"] == f"https://farm.example/pipelines/{number}"
    assert v5.states == [(3, "started"), (1, "started"), (2, "started")]
    house.test(number)
    assert v5.states[3:] == [(2, "finished")]
    house.release(number)
    assert v5.states[4:] == [(1, "delivered")]
    assert house.notes(number) == []
    assert house.book.read().refused == 0


def test_a_push_that_mends_delivers_what_the_broken_one_brought(
    redis_client: Any, tmp_path: Path, serve: Serve
) -> None:
    v5 = V5.of(1, 2)
    house = House(redis_client, tmp_path, serve(v5), kind="pivotal")
    broken = house.push("VAT [delivers #1] [fixes #2]")
    house.test(broken, Status.FAILED)
    assert v5.states == []
    mended = house.push("Mend")
    house.test(mended)
    house.release(mended)
    assert v5.states == [(2, "finished"), (1, "delivered")]


def test_a_commit_counts_once_whichever_branch_it_comes_on(redis_client: Any, tmp_path: Path, serve: Serve) -> None:
    v5 = V5.of(1)
    house = House(redis_client, tmp_path, serve(v5), kind="pivotal")
    first = house.push("Begin")
    house.test(first)
    house.release(first)
    feature = house.push("VAT [delivers #1]", branch="feature")
    house.test(feature)
    merged = house.push("Merge", branch="main")
    assert len(v5.commits) == 1
    assert v5.states == []
    house.test(merged)
    house.release(merged)
    assert v5.states == [(1, "delivered")]
    house.farm.record.retry(merged, "ada")
    house.tell()
    assert len(v5.commits) == 1


def test_a_rollback_reopens_and_the_next_release_delivers_again(
    redis_client: Any, tmp_path: Path, serve: Serve
) -> None:
    v5 = V5.of(1, 2)
    house = House(redis_client, tmp_path, serve(v5), kind="pivotal")
    first = house.push("One [delivers #1]")
    house.test(first)
    house.release(first)
    second = house.push("Two [delivers #2]")
    house.test(second)
    house.release(second)
    house.roll_back(first)
    assert v5.states == [(1, "delivered"), (2, "delivered"), (2, "started")]
    ((story, text),) = v5.comments
    assert story == 2
    assert text.startswith("ada rolled `latest` of thyme back to before commit ")
    assert '"Two [delivers #2]"' in text
    house.roll_back(second)
    assert v5.states[3:] == [(2, "delivered")]
    house.roll_back(first)
    third = house.push("Three")
    house.test(third)
    house.release(third)
    assert v5.states[4:] == [(2, "started"), (2, "delivered")]
    assert [story for story, _ in v5.comments] == [2, 2]


def test_without_the_mirror_no_story_moves(redis_client: Any, tmp_path: Path, serve: Serve) -> None:
    v5 = V5.of(1)
    house = House(redis_client, tmp_path, serve(v5), kind="pivotal")
    first = house.push("Begin")
    house.test(first)
    house.release(first)
    second = house.push("One [delivers #1]")
    house.test(second)
    house.release(second)
    mirror = git.mirror_path(house.home, "thyme")
    assert git.forget(mirror)
    house.roll_back(first)
    assert v5.states == [(1, "delivered")]
    assert "has no commit" in house.book.read().waiting
    fetch(mirror, str(house.origin.path))
    poll(lambda: house.tell() and v5.states == [(1, "delivered"), (1, "started")], deadline=60, every=0.2)


def test_what_the_tracker_does_not_do_is_a_line_on_the_pipeline(
    redis_client: Any, tmp_path: Path, serve: Serve
) -> None:
    v5 = V5.of(1, 2, 3, 4)
    v5.stories[2]["current_state"] = "accepted"
    v5.stories[3]["project_id"] = 7
    v5.forbidden = {4}
    receiver = serve(v5)
    house = House(redis_client, tmp_path, receiver, kind="pivotal", project="99")
    number = house.push("[delivers #1 #2 #3 #4 #5]")
    assert [commit["message"] for commit in v5.commits] == ["[#1 #4]"]
    house.test(number)
    house.release(number)
    assert v5.states == [(1, "delivered")]
    host = receiver.url.removeprefix("http://")
    assert house.notes(number) == [
        "story #2 is accepted already, so the farm leaves it",
        "story #3 is in project 7, not in 99, so the farm leaves it",
        f"{host} knows no story #5: look at the number in the commit's message",
        f"{host} does not let the farm touch story #4: give its token the right to, in the settings",
    ]
    assert house.farm.status(number) is Status.PASSED
    asked = len(receiver.requests)
    house.farm.record.retry(number, "ada")
    house.tell()
    assert len(receiver.requests) == asked


def test_a_chore_is_accepted(redis_client: Any, tmp_path: Path, serve: Serve) -> None:
    v5 = V5.of(1, 2, kind="chore")
    house = House(redis_client, tmp_path, serve(v5), kind="pivotal")
    number = house.push("[fixes #1] [delivers #2]")
    house.test(number)
    assert v5.states == [(1, "accepted")]
    house.release(number)
    assert v5.states == [(1, "accepted"), (2, "accepted")]


def test_a_tracker_that_is_away_is_asked_again(redis_client: Any, tmp_path: Path, serve: Serve) -> None:
    v5 = V5.of(1)
    receiver = serve(v5)
    house = House(redis_client, tmp_path, receiver, kind="pivotal")
    receiver.answers = [Answer(503, b"", {"Retry-After": "7"})]
    number = house.push("[delivers #1]")
    assert v5.commits == []
    house.test(number)
    house.release(number)
    assert house.tell() <= 1.0
    assert v5.states == [(1, "delivered")]
    assert len(v5.commits) == 1


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_issues_of_forges(redis_client: Any, tmp_path: Path, serve: Serve, kind: str) -> None:
    forge = Forge(kind, issues={12: "open", 13: "open", 14: "closed"})
    house = House(redis_client, tmp_path, serve(forge), kind=kind, projects={"thyme": "acme/thyme"})
    first = house.push("Begin")
    house.test(first)
    house.release(first)
    number = house.push("Closes #12, #14", "Finishes #13\n\nSee acme/rose#1", "Fixes acme/rose#2 and #99")
    assert forge.comments == []
    house.test(number)
    assert [issue for issue, _ in forge.comments] == [13]
    assert forge.issues[12] == "open"
    house.release(number)
    assert forge.issues == {12: "closed", 13: "open", 14: "closed"}
    notes = house.notes(number)
    assert notes[:2] == [
        "issue acme/thyme#14 is closed already, so the farm leaves it",
        "issue acme/rose#2 is in another project than acme/thyme, so the farm leaves it",
    ]
    assert "knows no issue acme/thyme#99" in notes[2]
    house.roll_back(first)
    assert forge.issues[12] in ("open", "opened")
    assert house.reporter.test().endswith("knows the farm as farm")  # type: ignore[attr-defined]


def test_jira(redis_client: Any, tmp_path: Path, serve: Serve) -> None:
    stories = {"THY-1": "In Progress", "THY-2": "In Progress", "THY-3": "To Do", "THY-4": "In Progress"}
    jira = JiraServer(stories)
    transitions = {"finish": "In Review", "deliver": "Done", "reopen": "Reopen"}
    house = House(
        redis_client,
        tmp_path,
        serve(jira),
        kind="jira",
        project="THY",
        user="ada@example.com",
        transitions=transitions,
    )
    first = house.push("Begin")
    house.test(first)
    house.release(first)
    number = house.push("THY-1 #done\nTHY-2 #ready-for-qa\nTHY-3 #close UTF-8\nTHY-4 #fixed")
    assert {key for key, _ in jira.comments} == set(stories)
    house.test(number)
    assert jira.stories["THY-4"] == "In Review"
    house.release(number)
    assert [jira.stories[f"THY-{count}"] for count in (1, 2, 3)] == ["Done", "QA", "To Do"]
    assert house.notes(number) == ["story THY-3 has no transition `Done` where it stands; it has Start Progress"]
    house.roll_back(first)
    assert jira.stories["THY-1"] == "In Progress"
    assert "rolled `latest` of thyme back" in jira.comments[-1][1]


def test_posts_to_any_other_tracker(redis_client: Any, tmp_path: Path) -> None:
    key = b"a key of thirty-two bytes, no more"[:32]
    heard: list[tuple[str, str]] = []

    def judge(request: Request) -> Answer:
        head = request.headers
        expected = sign(key, head["webhook-id"], head["webhook-timestamp"], request.body)
        document = json.loads(request.body)
        if head["webhook-signature"] != expected:
            return Answer(401, b"no")
        heard.append((document["type"], document["data"]["story"]))
        return Answer(404, b"unknown") if document["data"]["story"] == "9" else Answer(204, b"")

    with receiving(judge) as receiver:
        token = Secret("inline", "whsec_" + base64.b64encode(key).decode())
        house = House(redis_client, tmp_path, receiver, kind="webhook", token=token)
        number = house.push("Closes nothing [delivers #AB-1 #9]")
        house.test(number)
        house.release(number)
    assert heard == [
        ("story.mentioned", "AB-1"),
        ("story.mentioned", "9"),
        ("story.delivered", "AB-1"),
        ("story.delivered", "9"),
    ]
    assert house.notes(number) == ["the tracker refuses story 9: 404 unknown"]


def test_a_first_push_and_a_force_push_read_what_is_new(redis_client: Any, tmp_path: Path, serve: Serve) -> None:
    v5 = V5.of(1, 2, 3)
    house = House(redis_client, tmp_path, serve(v5), kind="pivotal")
    house.push("One [#1]", "Two [#2]")
    house.origin.git("reset", "-q", "--hard", "HEAD~1")
    house.push("Other [#3]")
    assert [commit["message"] for commit in v5.commits] == ["One [#1]", "Two [#2]", "Other [#3]"]


def test_tags_and_other_repositories_move_nothing(redis_client: Any, tmp_path: Path, serve: Serve) -> None:
    receiver = serve(V5.of(1))
    house = House(redis_client, tmp_path, receiver, kind="pivotal", repositories=("rose-*",))
    house.push("[delivers #1]")
    assert receiver.requests == []
