"""No push is lost and none is doubled: what git's reflogs list is what the ledger has, in the same order."""

import contextlib
import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.redis
MAIN, SIDE = "refs/heads/main", "refs/heads/side"
REPOSITORIES, PUSHES = 10, 20  # of each


def test_two_hundred_reports_at_once(farm: Any, poll: Any) -> None:
    """Reported in any order, with the reflog as each delivery from the spool reads it; pushes that are equal, too."""
    dice = random.Random(3)
    repositories = farm.repositories(REPOSITORIES)
    for repository in repositories:
        repository.register()

    def make(repository: Any) -> list[Any]:
        reports = []
        commits = [repository.commit() for _ in range(4)]
        with repository.hook(None):
            repository.push(commits[-1])
        for number in range(PUSHES - 1):
            repository.move(commits[number % 4])
        log = repository.reflog()
        assert len(log) == PUSHES
        for old, new in log:
            update = {"id": str(uuid.uuid4()), "ref": MAIN, "old": old, "new": new, "reflog": log}
            reports.append({"repository": repository.name, "updates": [update]})
        return reports

    with ThreadPoolExecutor(4) as pool:
        reports = [report for made in pool.map(make, repositories) for report in made]
    dice.shuffle(reports)
    headers = {"Authorization": "Bearer admin-token"}
    limits = httpx.Limits(max_keepalive_connections=0)  # threads close each other's kept connections in the middle
    with (
        httpx.Client(base_url=farm.url, headers=headers, timeout=60, limits=limits) as http,
        ThreadPoolExecutor(200) as pool,
    ):
        answers = list(pool.map(lambda report: http.post("/pushes", json=report), reports))
    assert {answer.status_code for answer in answers} == {200}
    numbers = {answer.json()["pipelines"][0]["number"] for answer in answers}
    assert len(numbers) == REPOSITORIES * PUSHES == farm.pipelines()
    for repository in repositories:
        assert repository.order() == repository.reflog()
    poll(farm.dispatched, deadline=150)


@pytest.mark.long
def test_two_hundred_pushes_at_once(farm: Any, poll: Any) -> None:
    """Two people push to each repository as fast as they can, with force, over each other."""
    repositories = farm.repositories(REPOSITORIES, clones=2)
    for repository in repositories:
        repository.register()

    def push(repository: Any, clone: int) -> None:
        for _ in range(PUSHES // 2):
            repository.commit(clone)
            repository.push(clone=clone)

    with ThreadPoolExecutor(2 * REPOSITORIES) as pool:
        for done in [pool.submit(push, repository, clone) for repository in repositories for clone in range(2)]:
            done.result()
    poll(lambda: farm.pipelines() >= REPOSITORIES * PUSHES, deadline=60)
    poll(farm.dispatched, deadline=150)
    assert farm.pipelines() == REPOSITORIES * PUSHES
    for repository in repositories:
        assert repository.order() == repository.reflog()
        poll(lambda bare=repository.bare: not list((bare / "farm/spool").iterdir()), what="the spool to be empty")


def test_the_dispatcher_is_away_and_hooks_are_killed(farm: Any, poll: Any) -> None:
    """Some hooks die at once; the dispatcher is killed in the middle and comes back; its own loop finds everything."""
    repositories = farm.repositories(4, clones=2)
    for repository in repositories:
        repository.register()
    dice = random.Random(5)
    real = (repositories[0].bare / "hooks/post-receive").read_bytes()
    for repository in repositories:  # every third hook is killed when git has moved the ref
        path = repository.bare / "hooks/post-receive"
        (repository.bare / "hooks/real").write_bytes(real)
        (repository.bare / "hooks/real").chmod(0o755)
        path.write_text(f"#!/bin/sh\n# farm:post-receive\n{_SOME_DIE}")

    def push(repository: Any, clone: int) -> None:
        commits = [repository.commit(clone) for _ in range(2)]
        for _ in range(6):
            repository.push(commits[dice.randrange(2)], dice.choice([MAIN, MAIN, SIDE]), clone)

    def nap() -> None:
        poll(lambda: farm.pipelines() > 5, deadline=60)
        farm.kill()
        # The pushes of this time are lost on the dispatcher.
        poll(lambda: sum(len(list((each.bare / "farm/spool").glob("*.json"))) for each in repositories) > 5)
        farm.start()

    with ThreadPoolExecutor(12) as pool:
        work = [pool.submit(push, repository, clone) for repository in repositories for clone in range(2)]
        work.append(pool.submit(nap))
        for done in work:
            done.result()
    wanted = sum(len(repository.reflog(ref)) for repository in repositories for ref in (MAIN, SIDE))
    for repository in repositories:
        (repository.bare / "hooks/post-receive").write_bytes(real)
        repository.age()
    poll(lambda: farm.pipelines() >= wanted, deadline=60)
    poll(farm.dispatched, deadline=150)
    assert farm.pipelines() == wanted
    for repository in repositories:
        for ref in (MAIN, SIDE):
            assert repository.order(ref) == repository.reflog(ref)


_SOME_DIE = """\
n=$(cat farm/count 2>/dev/null || echo 0)
echo $((n + 1)) > farm/count
[ $((n % 3)) = 1 ] && kill -9 $$
exec hooks/real "$@"
"""


def test_back_and_forth_with_lost_reports(farm: Any, poll: Any) -> None:
    (repository,) = farm.repositories(1)
    repository.register()
    first, second = repository.commit(), repository.commit()
    for number in range(7):
        with repository.hook("#!/bin/sh\nkill -9 $$\n") if number in (2, 3, 5) else contextlib.nullcontext():
            repository.push((first, second)[number % 2])
    poll(lambda: farm.pipelines() == 4)
    with farm.client() as client:
        found = client.sync(repository.name)["found"]
    assert [push["source"] for push in found] == ["reflog"] * 3
    assert repository.order() == repository.reflog()
    with farm.client() as client:
        assert client.sync(repository.name)["found"] == []


def test_a_repository_whose_hook_is_gone(farm: Any, poll: Any) -> None:
    """A gap of several pushes is one guess; when the hook is back, the reflog fills it."""
    (repository,) = farm.repositories(1)
    repository.register()
    repository.push(repository.commit())
    poll(lambda: farm.pipelines() == 1)
    settings, marks = repository.bare / "farm/hook.json", repository.bare / "farm/reflogs.json"
    kept = settings.read_bytes()
    settings.unlink()
    with repository.hook(None):
        commits = [repository.commit() for _ in range(3)]
        for commit in commits:
            repository.push(commit)
        with farm.client() as client:
            (guess,) = client.sync(repository.name)["found"]
    assert (guess["source"], guess["new"]) == ("ls-remote", commits[-1])
    assert len(repository.order()) == 2
    assert marks.exists()
    settings.write_bytes(kept)
    repository.register()
    with farm.client() as client:
        found = client.sync(repository.name)["found"]
    assert [push["new"] for push in found] == commits[:2]
    assert repository.order() == repository.reflog()
    assert farm.ledger.push(guess["number"]).source == "reflog"
