"""Pushes that nobody reported are found by asking the repository, with real git and a real Redis."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from farm import git, intake, remotes
from farm.dispatch import Dispatcher
from farm.errors import Errored
from farm.intake import Intake
from farm.ledger import Ledger
from farm.push import ZERO, Push
from farm.record import Record
from farm.remotes import Remotes
from farm.settings import Settings

pytestmark = pytest.mark.redis
MAIN = "refs/heads/main"


class House:
    """A repository that nobody reports for, and the dispatcher's parts that look after it."""

    def __init__(self, client: Any, folder: Path) -> None:
        self.folder, self.origin, self.work = folder, folder / "thyme.git", folder / "work"
        self.git("init", "-q", "--bare", "-b", "main", str(self.origin), where=folder)
        self.git("init", "-q", "-b", "main", str(self.work), where=folder)
        self.record, self.ledger = Record(client), Ledger(client)
        dispatcher = Dispatcher(self.record, self.ledger, Settings(home=folder / "home"), publish=lambda *_: None)
        self.intake = Intake(dispatcher)
        self.remotes = Remotes(self.ledger, self.intake, 0.05, grace=0.3)

    def git(self, *command: str, where: Path | None = None) -> str:
        env = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        command = ("git", *who, *command)
        return subprocess.run(
            command, cwd=where or self.work, env=env, check=True, capture_output=True, text=True
        ).stdout.strip()

    def push(self, target: str = MAIN, *, force: bool = False, commit: str = "") -> str:
        if not commit:
            (self.work / ".farm.yml").write_text("test: make\n")
            self.git("add", "-A")
            self.git("commit", "-q", "--allow-empty", "-m", "Fix VAT")
            commit = self.git("rev-parse", "HEAD")
        self.git("push", "-q", *(["-f"] if force else []), str(self.origin), f"{commit}:{target}")
        return commit

    def register(self) -> None:
        self.ledger.register("thyme", str(self.origin), "main", git.ls_remote(str(self.origin)))

    def report(self, old: str, new: str, ref: str = MAIN) -> int:
        return self.ledger.enter("thyme", [Push(os.urandom(8).hex(), "thyme", ref, old, new, "ada")])[0].number

    def compare(self, grace: float = 0.0) -> list[tuple[str, str, str, int]]:
        found = self.remotes.compare(self.ledger.repository("thyme"), grace)
        return [(push.ref, push.old, push.new, number) for push, number in found]

    def found(self) -> list[tuple[str, str, str]]:
        pipelines = self.record.pipelines(repository="thyme")
        pushes = [self.ledger.push(pipeline.number) for pipeline in reversed(pipelines)]
        return [(push.ref, push.old, push.new) for push in pushes]


@pytest.fixture
def house(redis_client: Any, tmp_path: Path) -> Iterator[House]:
    house = House(redis_client, tmp_path)
    yield house
    house.intake.close()


def test_what_is_there_at_the_registration_is_the_baseline(house: House) -> None:
    house.push()
    house.push("refs/tags/v1")
    house.register()
    assert house.compare() == []
    commit = house.push("refs/tags/v2")
    assert house.compare() == [("refs/tags/v2", ZERO, commit, 1)]
    assert house.compare() == []


def test_moves_deletions_and_what_comes_again(house: House, poll: Any) -> None:
    first = house.push()
    house.register()
    second = house.push()
    assert house.compare() == [(MAIN, first, second, 1)]
    assert house.ledger.push(1).source == "ls-remote"
    house.push("refs/heads/side", commit=second)
    house.push(force=True, commit=first)
    assert house.compare() == [(MAIN, second, first, 2), ("refs/heads/side", ZERO, second, 3)]
    house.push("refs/heads/side", commit="")
    house.git("push", "-q", str(house.origin), ":refs/heads/side")
    assert house.compare() == [("refs/heads/side", second, ZERO, 4)]
    assert poll(lambda: house.record.pipeline(4).reason) == "the branch was deleted"
    house.push(commit=second)
    assert house.compare() == [(MAIN, first, second, 5)]
    assert poll(lambda: all(house.record.pipeline(number).stages for number in (1, 2, 3, 5)))


def test_refs_with_strange_names_hide_no_others(house: House) -> None:
    first = house.push()
    for name in (b"refs/heads/caf\xe9", "refs/heads/two\u2028lines".encode()):
        subprocess.run([b"git", b"update-ref", name, first.encode()], cwd=house.origin, check=True)
    house.register()
    assert house.compare() == []
    second = house.push()
    assert house.compare() == [(MAIN, first, second, 1)]
    third = house.push("refs/heads/two\u2028lines")
    assert house.compare() == [("refs/heads/two\u2028lines", first, third, 2)]


def test_a_report_explains_a_move(house: House) -> None:
    first = house.push()
    house.register()
    second = house.push()
    house.report(first, second)
    assert house.compare() == []


def test_whoever_reports_has_a_grace(house: House, poll: Any) -> None:
    first = house.push()
    house.register()
    second = house.push()
    assert house.compare(grace=0.5) == []
    third = house.push()
    assert house.compare(grace=0.5) == []
    began = time.monotonic()
    (found,) = poll(lambda: house.compare(grace=0.5))
    assert time.monotonic() - began > 0.3  # the ref moved once more, so that the time began anew
    assert found == (MAIN, first, third, 1)
    assert house.report(second, third) == 1
    assert house.report(first, second) == 2
    assert house.ledger.push(1).old == second
    assert house.ledger.redis.zrange("farm:ref:thyme:" + MAIN, 0, -1) == ["2", "1"]
    assert house.compare() == []


def test_the_loop_asks_each_repository_and_again_after_the_grace(house: House, poll: Any) -> None:
    first = house.push()
    house.register()
    second = house.push()
    poll(lambda: house.remotes.look() and house.found() == [(MAIN, first, second)], every=0.05)
    house.remotes.period = 0
    third = house.push()
    for _ in range(20):
        house.remotes.look()
    assert house.compare(grace=0) == [(MAIN, second, third, 2)]


def test_one_that_hangs_holds_up_neither_the_others_nor_itself_twice(
    house: House, poll: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.push()
    house.register()
    for name in ("a", "b", "c"):
        house.ledger.register(name, f"ssh://dead.example/{name}.git", "main", {})
    real, hung, over = git.ls_remote, [], threading.Event()

    def ls_remote(url: str, **_: Any) -> Any:
        if "dead" not in url:
            return real(url)
        hung.append(url)
        over.wait(60)
        raise Errored("timed out")

    monkeypatch.setattr(remotes.git, "ls_remote", ls_remote)
    house.push()
    poll(lambda: house.remotes.look() and house.found(), every=0.05)
    assert len(hung) == remotes.A_HOST
    over.set()


def test_a_repository_that_cannot_be_read_is_asked_again(house: House, poll: Any) -> None:
    first = house.push()
    house.register()
    second = house.push()
    house.origin.rename(house.folder / "away.git")
    with pytest.raises(Errored):
        house.compare()
    for _ in range(5):
        house.remotes.look()
    (house.folder / "away.git").rename(house.origin)
    poll(lambda: house.remotes.look() and house.found() == [(MAIN, first, second)], every=0.05)


def test_what_nobody_expected_is_told_once(house: House, poll: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    house.push()
    house.register()
    asked: list[str] = []

    def ls_remote(url: str, **_: Any) -> Any:
        asked.append(url)
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(remotes.git, "ls_remote", ls_remote)
    with capture_logs() as said:
        poll(lambda: house.remotes.look() and len(asked) > 2, every=0.05)
    assert [(entry["error"], entry["exc_info"]) for entry in said] == [("a mistake", True)]


def test_two_dispatchers_find_it_once(house: House, redis_client: Any) -> None:
    first = house.push()
    house.register()
    second = house.push()
    other = Remotes(Ledger(redis_client), house.intake, 60)
    repository = house.ledger.repository("thyme")
    found = [house.remotes.now(repository), other.now(repository)]
    assert [len(each) for each in found] == [1, 0]
    assert house.found() == [(MAIN, first, second)]


def test_fetches_that_hang_do_not_fill_the_intake(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A git server that takes connections and says nothing, for more repositories than there are threads."""
    monkeypatch.setattr(git.mirror, "FETCH_TIMEOUT", 1.0)
    house.register()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as deaf:
        numbers = []
        for count in range(3 * intake.THREADS):
            name, url = f"dead{count}", f"git://127.0.0.1:{deaf.getsockname()[1]}/{count}.git"
            house.ledger.register(name, url, "main", {})
            (entry,) = house.ledger.enter(name, [Push(f"dead-{count}", name, MAIN, ZERO, "1" * 40)])
            numbers.append((house.intake.take(name, entry.number), entry.number))
        commit = house.push()
        outcome = house.intake.take("thyme", house.report(ZERO, commit)).result(60)
        assert outcome.stages == ("build", "test", "release")
        assert not all(future.done() for future, _ in numbers), "it waits behind those that hang"
        future, number = numbers[0]
        assert "longer than 1 s" in (future.result(60).reason or "")
        assert "longer than 1 s" in (house.record.waiting(number) or "")
    house.intake.close()
