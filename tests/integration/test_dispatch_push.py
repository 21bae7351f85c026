"""From a push in the ledger to a chain for the workers, with real git and a real Redis."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm import dispatch, git, intake, reconcile
from farm.dispatch import Dispatcher
from farm.errors import Refused
from farm.ledger import Ledger
from farm.pipeline import Status
from farm.push import ZERO, Push
from farm.record import Record, WorkerInfo
from farm.secrets import Secrets
from farm.settings import RepositorySettings, Settings

pytestmark = pytest.mark.redis

TESTED = "test: make check\n"


class Origin:
    """A bare repository, and commits that come into it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / "thyme.git"
        self.work = folder / "work"
        self.git("init", "-q", "-b", "main", str(self.work), where=folder)
        self.git("clone", "-q", "--bare", str(self.work), str(self.path), where=folder)
        self.git("config", "uploadpack.allowAnySHA1InWant", "false", where=self.path)
        self.last = ZERO

    def git(self, *command: str, where: Path | None = None) -> str:
        env = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        done = subprocess.run(
            ["git", *who, *command], cwd=where or self.work, env=env, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, definition: str | None = TESTED, message: str = "Fix VAT rounding", branch: str = "main") -> str:
        (self.work / "Dockerfile").write_text("FROM scratch\n")
        file = self.work / ".farm.yml"
        if definition is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(definition)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.git("push", "-q", "-f", str(self.path), f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")


class House:
    """A dispatcher over a real Redis; what it would send is kept."""

    def __init__(self, client: Any, home: Path, origin: Origin) -> None:
        self.sent: list[Any] = []
        self.client = client
        self.record = Record(client)
        self.ledger = Ledger(client)
        self.ledger.register("thyme", str(origin.path), "main", {})
        self.settings = Settings(home=home)
        self.dispatcher = Dispatcher(self.record, self.ledger, self.settings, publish=self.send)
        self.count = 0

    def send(self, number: int, steps: Any, title: str) -> None:
        self.sent.append((number, [step.name for step in steps], title))

    def push(self, new: str, ref: str = "refs/heads/main", options: tuple[str, ...] = (), *, old: str = ZERO) -> int:
        self.count += 1
        update = Push(f"uuid-{self.count}", "thyme", ref, old, new, "ada", options)
        return self.ledger.enter("thyme", [update])[0].number


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path)


@pytest.fixture
def house(redis_client: Any, tmp_path: Path, origin: Origin) -> House:
    return House(redis_client, tmp_path / "home", origin)


def test_a_push_becomes_a_chain(house: House, origin: Origin) -> None:
    commit = origin.commit()
    number = house.push(commit)
    outcome = house.dispatcher.dispatch(number)
    assert outcome.status is Status.PENDING
    assert outcome.stages == ("build", "test", "release")
    assert outcome.subject == "Fix VAT rounding"
    assert house.sent == [(number, ["build", "test", "release"], f"thyme main {commit[:7]}")]
    pipeline = house.record.pipeline(number)
    assert (pipeline.subject, pipeline.author) == ("Fix VAT rounding", "Ada")
    claim = house.record.claim(number, "build", "w1")
    assert claim.go
    assert claim.image_repository == "thyme"
    assert house.ledger.undispatched() == []


def test_that_nobody_serves_it_is_a_warning_and_that_nobody_is_free_is_none(house: House, origin: Origin) -> None:
    number = house.push(origin.commit())
    assert house.dispatcher.dispatch(number).waiting == "no worker serves `build`"
    house.record.beat(WorkerInfo("w1@c1", "c1", 1, queues=("build", "test", "release"), busy=("#7 build",)))
    assert house.dispatcher.dispatch(number).waiting is None


def test_twice_is_once(house: House, origin: Origin) -> None:
    number = house.push(origin.commit())
    house.dispatcher.dispatch(number)
    outcome = house.dispatcher.dispatch(number)
    assert outcome.stages == ("build", "test", "release")
    assert len(house.sent) == 1


def test_two_dispatchers_at_once_make_one_chain(house: House, origin: Origin) -> None:
    number = house.push(origin.commit())
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(house.dispatcher.dispatch, [number] * 6))
    assert {outcome.stages for outcome in outcomes} == {("build", "test", "release")}
    assert len(house.sent) == 1


def test_a_crash_before_the_chain_is_healed_by_the_reaper(house: House, origin: Origin, poll: Any) -> None:
    house.record = Record(house.client, lease=0.2)

    def crash(*_: object) -> None:
        raise ConnectionError("the broker is away")

    broken = Dispatcher(house.record, house.ledger, house.settings, publish=crash)
    number = house.push(origin.commit())
    assert broken.dispatch(number).stages
    poll(lambda: reconcile.reap(house.record, house.ledger, house.send) and house.sent)
    ((sent, steps, title),) = house.sent
    assert (sent, steps, title.split()[:2]) == (number, ["build", "test", "release"], ["thyme", "main"])


def test_what_a_dispatcher_left_in_the_ledger_is_taken_up(
    house: House, origin: Origin, poll: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended before it had looked at the push."""
    monkeypatch.setattr(intake, "GRACE", 0.0)
    number, next_one = house.push(origin.commit()), intake.Intake(house.dispatcher)
    next_one.look()
    assert poll(lambda: house.record.pipeline(number).stages)
    next_one.close()


def test_mistakes_in_the_definition(house: House, origin: Origin) -> None:
    number = house.push(origin.commit("test:\n  scirpt: make\nbiuld: {}\n"))
    outcome = house.dispatcher.dispatch(number)
    assert outcome.status is Status.FAILED
    assert outcome.reason == "definition"
    assert len(outcome.messages) >= 2
    pipeline = house.record.pipeline(number)
    assert pipeline.status is Status.FAILED
    assert (pipeline.reason or "").splitlines() == ["definition", *outcome.messages]
    assert house.sent == []
    again = house.dispatcher.dispatch(number)
    assert (again.reason, list(again.messages)) == ("definition", list(outcome.messages))


def test_no_definition(house: House, origin: Origin) -> None:
    number = house.push(origin.commit(None))
    assert house.dispatcher.dispatch(number).stages == ("build",)
    assert "nothing was tested" in (house.record.pipeline(number).reason or "")


@pytest.mark.parametrize(
    ("message", "options", "reason"),
    [("Docs [ci skip]", (), "[ci skip] in the commit's message"), ("Fix", ("farm.skip",), "git push -o farm.skip")],
)
def test_skipped(house: House, origin: Origin, message: str, options: tuple[str, ...], reason: str) -> None:
    number = house.push(origin.commit(message=message), options=options)
    outcome = house.dispatcher.dispatch(number)
    assert (outcome.status, outcome.reason) == (Status.SKIPPED, reason)
    assert house.record.pipeline(number).status is Status.SKIPPED


def test_a_deleted_branch(house: House) -> None:
    number = house.push(ZERO, "refs/heads/old")
    assert house.dispatcher.dispatch(number).status is Status.SKIPPED


def test_a_head_that_names_no_branch(house: House, origin: Origin) -> None:
    """`git init --bare` points HEAD to a branch that may never be pushed."""
    house.ledger.register("thyme", str(origin.path), "trunk", {})
    commit = origin.commit()
    assert "release" in house.dispatcher.dispatch(house.push(commit)).stages
    origin.git("push", "-q", str(origin.path), "HEAD:refs/heads/feature")
    assert "release" not in house.dispatcher.dispatch(house.push(commit, "refs/heads/feature")).stages
    origin.git("push", "-q", str(origin.path), "HEAD:refs/heads/trunk")
    assert "release" not in house.dispatcher.dispatch(house.push(origin.commit())).stages


def test_a_report_that_git_does_not_bear_out_releases_nothing(house: House, origin: Origin) -> None:
    """Somebody with the hook's token says that a commit of a feature branch was pushed to main."""
    origin.commit()
    house.dispatcher.dispatch(house.push(origin.commit()))
    commit = origin.commit(branch="feature")
    number = house.push(commit)
    outcome = house.dispatcher.dispatch(number)
    assert outcome.stages == ("build", "test")
    assert outcome.reason == f"main does not lead to {commit[:7]}, so nothing is released"
    origin.git("push", "-q", str(origin.path), f"{commit}:refs/heads/main")
    assert "release" in house.dispatcher.dispatch(house.push(commit)).stages


def test_an_older_commit_that_is_reported_anew_releases_nothing(house: House, origin: Origin) -> None:
    """Whoever has the hook's token says that main went back; git says that it did not."""
    commits = [origin.commit() for _ in range(3)]
    old = ZERO
    for commit in commits:  # the ref had moved on when the first ones were looked at
        number = house.push(commit, old=old)
        assert "release" in house.dispatcher.dispatch(number).stages
        old = commit
    for before in (commits[2], ZERO, commits[0]):
        outcome = house.dispatcher.dispatch(house.push(commits[1], old=before))
        assert outcome.stages == ("build", "test")
        assert outcome.reason == f"main had come further than {commits[1][:7]} before, so nothing is released"
    house.push(origin.commit(branch="feature"))  # one more lie in between changes nothing
    assert "release" not in house.dispatcher.dispatch(house.push(commits[1])).stages
    origin.git("push", "-q", "-f", str(origin.path), f"{commits[1]}:refs/heads/main")
    assert "release" in house.dispatcher.dispatch(house.push(commits[1], old=commits[2])).stages


def test_what_a_repository_had_when_it_came_counts_as_earlier(house: House, origin: Origin) -> None:
    commits = [origin.commit() for _ in range(2)]
    house.ledger.register("sage", str(origin.path), "main", {"refs/heads/main": commits[1]})
    (entry,) = house.ledger.enter("sage", [Push("u", "sage", "refs/heads/main", commits[1], commits[0])])
    assert "release" not in house.dispatcher.dispatch(entry.number).stages


def test_a_mirror_that_is_behind_is_asked_for_nothing(house: House, origin: Origin) -> None:
    """The commit is there already, and so the mirror is not fetched into: where main is now is asked all the same."""
    commits = [origin.commit() for _ in range(2)]
    assert "release" in house.dispatcher.dispatch(house.push(commits[1])).stages
    house.push(origin.commit())  # another dispatcher, with a mirror of its own, has looked at it
    assert "release" not in house.dispatcher.dispatch(house.push(commits[1])).stages


def test_a_tag_that_is_reported_elsewhere_releases_nothing(house: House, origin: Origin) -> None:
    commits = [origin.commit("test: make\nrelease: {tags: ['{tag}']}\n") for _ in range(2)]
    origin.git("push", "-q", str(origin.path), "HEAD:refs/tags/v2")
    assert "release" in house.dispatcher.dispatch(house.push(commits[1], "refs/tags/v2")).stages
    outcome = house.dispatcher.dispatch(house.push(commits[0], "refs/tags/v2"))
    assert outcome.reason == f"v2 does not lead to {commits[0][:7]}, so nothing is released"


def test_an_annotated_tag(house: House, origin: Origin) -> None:
    commit = origin.commit("test: make\nrelease: {tags: ['{tag}']}\n")
    origin.git("tag", "-a", "v1", "-m", "one")
    origin.git("push", "-q", str(origin.path), "v1")
    number = house.push(origin.git("rev-parse", "v1"), "refs/tags/v1")
    assert house.dispatcher.dispatch(number).stages == ("build", "test", "release")
    assert house.record.pipeline(number).commit == commit


def test_a_commit_that_is_gone(house: House, origin: Origin) -> None:
    origin.commit()
    number = house.push("abc1234" + "0" * 33)
    outcome = house.dispatcher.dispatch(number)
    assert outcome.status is Status.FAILED
    assert "gone" in (outcome.reason or "")


def test_a_repository_that_is_gone(house: House, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    number = house.push(origin.commit())
    origin.path.rename(origin.path.with_suffix(".moved"))
    first = house.dispatcher.dispatch(number)
    assert first.status is Status.PENDING
    assert "git cannot read" in (first.reason or "")
    assert house.record.waiting(number) == first.reason
    monkeypatch.setattr(dispatch, "PATIENCE_GONE", -1.0)
    assert house.dispatcher.dispatch(number).status is Status.ERRORED
    assert "git cannot read" in (house.record.pipeline(number).reason or "")


@pytest.mark.parametrize("encoding", ["hex", "idna", "undefined", "nonsense", "unicode_escape"])
def test_whatever_a_commit_says_of_its_encoding(house: House, origin: Origin, encoding: str) -> None:
    """Anybody who pushes writes it; Python has codecs that are none of text, and some that give no Unicode."""
    origin.git("config", "i18n.commitEncoding", encoding)
    outcome = house.dispatcher.dispatch(house.push(origin.commit(message="Fix \\ud800 VAT")))
    assert outcome.stages == ("build", "test", "release")
    assert outcome.subject.startswith("Fix ")
    assert outcome.subject.endswith(" VAT")


def test_what_nobody_expected_ends_a_pipeline_too(
    house: House, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("a mistake")

    monkeypatch.setattr(git, "look", broken)
    number = house.push(origin.commit())
    assert house.dispatcher.dispatch(number).status is Status.PENDING
    sentence = "the dispatcher met an error of its own, KeyError: 'a mistake'; its log has the details"
    assert house.record.waiting(number) == sentence
    monkeypatch.setattr(dispatch, "PATIENCE_GONE", -1.0)
    assert house.dispatcher.dispatch(number).status is Status.ERRORED
    assert house.record.pipeline(number).reason == sentence


def test_canceled_while_it_is_looked_at(house: House, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    number, look = house.push(origin.commit(message="[skip ci]")), git.look

    def canceled(*arguments: Any, **more: Any) -> git.Look:
        house.record.cancel(number, "ada")
        return look(*arguments, **more)

    monkeypatch.setattr(git, "look", canceled)
    outcome = house.dispatcher.dispatch(number)
    assert (outcome.status, outcome.reason) == (Status.CANCELED, "canceled by ada")


def test_canceled_before_it_was_looked_at(house: House, origin: Origin) -> None:
    number = house.push(origin.commit())
    house.record.cancel(number, "ada")
    assert house.dispatcher.dispatch(number).status is Status.CANCELED
    assert house.sent == []


def test_a_push_that_changes_none_of_the_files_that_count_is_skipped(house: House, origin: Origin) -> None:
    first = origin.commit("on: {ignore: '*.md'}\ntest: make\n")
    (origin.work / "README.md").write_text("more\n")
    second = origin.commit("on: {ignore: '*.md'}\ntest: make\n")
    third = origin.commit("on: {ignore: '*.md'}\ntest: make check\n")
    news = house.dispatcher.dispatch(house.push(first))
    words = house.dispatcher.dispatch(house.push(second, old=first))
    code = house.dispatcher.dispatch(house.push(third, old=second))
    gone = house.dispatcher.dispatch(house.push(second, old="1" * 40))
    assert [outcome.status for outcome in (news, words, code, gone)] == [
        Status.PENDING,
        Status.SKIPPED,
        Status.PENDING,
        Status.PENDING,
    ]
    assert words.reason == "the push changes none of the files that `on` names"


def test_jobs_that_fork_are_left_to_whoever_commits_the_build(house: House, origin: Origin) -> None:
    number = house.push(origin.commit("test: {jobs: {a: a, b: {script: b, needs: a, runs_on: gpu}, c: c}}\n"))
    outcome = house.dispatcher.dispatch(number)
    assert outcome.stages == ("build", "test", "release")
    assert [names for _, names, _ in house.sent] == [["build"]]
    claim = house.record.claim(number, "build", "w1")
    ready = house.record.commit(claim, Status.PASSED, result={"image": "r/thyme@sha256:" + "0" * 64})
    assert [(step.name, step.queue) for step in ready] == [("test/a", "test"), ("test/c", "test")]
    ready = house.record.commit(house.record.claim(number, "test/a", "w1"), Status.PASSED)
    assert [(step.name, step.queue) for step in ready] == [("test/b", "test+gpu")]


CANCEL = "test: make check\non: {superseded: cancel}\n"


def test_a_newer_push_that_says_so_ends_the_older_ones(house: House, origin: Origin) -> None:
    older = house.push(origin.commit())
    house.dispatcher.dispatch(older)
    topic = house.push(origin.commit(branch="topic"), ref="refs/heads/topic")
    house.dispatcher.dispatch(topic)
    newer = house.push(origin.commit(CANCEL), old="a" * 40)
    house.dispatcher.dispatch(newer)
    pipeline = house.record.pipeline(older)
    assert (pipeline.status, pipeline.reason) == (Status.SUPERSEDED, f"superseded by #{newer}")
    assert house.record.pipeline(topic).status is house.record.pipeline(newer).status is Status.PENDING


@pytest.mark.parametrize(
    ("definition", "message", "options"),
    [
        (TESTED, "Fix", ()),  # it is the newer one's definition that counts, and finish is the default
        (CANCEL, "Docs [skip ci]", ()),
        (CANCEL, "Fix", ("farm.skip",)),
        (f"{CANCEL}tset: x\n", "Fix", ()),
        (f"{CANCEL[:-2]}, paths: [src]}}\n", "Fix", ()),
    ],
)
def test_a_skipped_or_broken_push_ends_nothing(
    house: House, origin: Origin, definition: str, message: str, options: tuple[str, ...]
) -> None:
    first = origin.commit(CANCEL)
    older = house.push(first)
    house.dispatcher.dispatch(older)
    newer = house.push(origin.commit(definition, message), options=options, old=first)
    house.dispatcher.dispatch(newer)
    assert house.record.pipeline(older).status is Status.PENDING
    assert house.record.pipeline(newer).status.final == (definition != TESTED)


@pytest.mark.parametrize(
    ("protected", "ref", "releases"),
    [
        (None, "refs/heads/main", True),
        (None, "refs/heads/release/2", False),
        (None, "refs/tags/v1", True),
        (None, "refs/tags/nightly", False),
        (("refs/heads/release/*",), "refs/heads/release/2", True),
        (("refs/heads/release/*",), "refs/heads/main", False),
        (("refs/heads/release/*",), "refs/tags/v1", False),
        ((), "refs/heads/main", False),
    ],
)
def test_the_server_says_which_refs_release(
    house: House, origin: Origin, protected: tuple[str, ...] | None, ref: str, releases: bool
) -> None:
    """A definition cannot widen it, however it names branches."""
    own = {"thyme": RepositorySettings(protected=protected)}
    settings = house.settings.model_copy(update={"repositories": own})
    dispatcher = Dispatcher(house.record, house.ledger, settings, publish=house.send)
    origin.commit()  # so that there is a main
    definition = f"test: make check\nrelease: {{branches: {ref.removeprefix('refs/heads/')}, tags: x}}\n"
    if ref.startswith("refs/tags/"):
        definition = "test: make check\nrelease: {tags: '{tag}'}\n"
    commit = origin.commit(definition)
    origin.git("push", "-q", "-f", str(origin.path), f"HEAD:{ref}")
    number = house.push(commit, ref=ref)
    dispatcher.dispatch(number)
    pipeline = house.record.pipeline(number)
    assert ([stage.name for stage in pipeline.stages][-1] == "release") is releases
    assert releases or "does not release" in str(pipeline.reason)


def test_a_retry_wakes_the_workers_for_what_is_left(house: House, origin: Origin) -> None:
    number = house.push(origin.commit())
    house.dispatcher.dispatch(number)
    claim = house.record.claim(number, "build", "w1")
    house.record.commit(claim, Status.PASSED, result={"image": f"host/thyme@sha256:{'1' * 64}"})
    house.record.commit(house.record.claim(number, "test", "w1"), Status.FAILED, reason="no")
    house.sent.clear()
    house.dispatcher.retry(number, "eve")
    assert [(sent[0], sent[1]) for sent in house.sent] == [(number, ["test", "release"])]
    assert house.client.hget(f"farm:pipeline:{number}", "retried_by") == "eve"
    with pytest.raises(Refused, match="not over yet"):
        house.dispatcher.retry(number, "eve")


def test_a_retry_of_a_push_without_steps_reads_it_again(house: House, origin: Origin) -> None:
    number = house.push(origin.commit("test: [\n"))
    house.dispatcher.dispatch(number)
    assert house.record.pipeline(number).status is Status.FAILED
    house.dispatcher.retry(number, "eve")
    assert house.ledger.undispatched() == [number]
    assert house.dispatcher.dispatch(number).status is Status.FAILED


def shared(house: House, origin: Origin, **files: str) -> Origin:
    """Register a second repository with these files on its branch main."""
    other = Origin(origin.path.parent / "beside")
    for name, text in files.items():
        (other.work / f"{name}.yml").write_text(text)
    other.commit(None)
    house.ledger.register("shared", str(other.path), "main", {})
    return other


def allow(house: House, pattern: str) -> None:
    own = RepositorySettings(included_by=(pattern,))
    house.dispatcher = replace(
        house.dispatcher, settings=Settings(home=house.settings.home, repositories={"shared": own})
    )


def test_a_definition_is_made_of_files_of_its_commit_and_of_another_repository(house: House, origin: Origin) -> None:
    shared(house, origin, jobs="include: templates.yml\ntest: {jobs: {unit: {extends: base}}}", templates="")
    allow(house, "th*")
    (origin.work / "ci").mkdir()
    (origin.work / "ci" / "base.yml").write_text("templates: {base: {script: make check}}")
    number = house.push(origin.commit("include: [ci/base.yml, {repository: shared, file: jobs.yml}]"))
    assert house.dispatcher.dispatch(number).stages == ("build", "test", "release")
    assert '"make check"' in house.client.hget(f"farm:pipeline:{number}", "definition")


def test_another_repository_is_included_only_where_the_server_says_so(house: House, origin: Origin) -> None:
    shared(house, origin, jobs=TESTED)
    number = house.push(origin.commit("include: [{repository: shared, file: jobs.yml}, {repository: no, file: x}]"))
    outcome = house.dispatcher.dispatch(number)
    assert (outcome.status, outcome.messages) == (
        Status.FAILED,
        [
            ".farm.yml:1:11: thyme may not include files of shared; whoever runs the farm can allow it by included_by",
            ".farm.yml:1:49: thyme may not include files of no; whoever runs the farm can allow it by included_by",
        ],
    )


def test_what_another_repository_lacks_is_told_where_it_is_included(house: House, origin: Origin) -> None:
    other = shared(house, origin, jobs="test: [x\n")
    other.git("tag", "-a", "-m", "v1", "v1")
    other.git("push", "-q", str(other.path), "v1")
    allow(house, "*")
    gone = "0123456789" * 4
    lines = (
        *("{repository: shared, file: job.yml}", "{repository: shared, file: jobs.yml, ref: v1}"),
        *("{repository: shared, file: x, ref: mian}", f"{{repository: shared, file: x, ref: '{gone}'}}"),
    )
    number = house.push(origin.commit("include:\n" + "".join(f"  - {line}\n" for line in lines)))
    assert house.dispatcher.dispatch(number).messages == [
        ".farm.yml:2:5: there is no file shared:job.yml (did you mean jobs.yml?)",
        ".farm.yml:4:5: shared has no branch or tag mian",
        ".farm.yml:5:5: shared has no commit 0123456",
        "shared@v1:jobs.yml:1:7: a list in brackets without its end (close it with ])",
    ]


def test_a_repository_that_is_away_is_waited_for(house: House, origin: Origin) -> None:
    other = shared(house, origin, jobs=TESTED)
    allow(house, "*")
    number = house.push(origin.commit("include: {repository: shared, file: jobs.yml}"))
    other.path.rename(other.path.with_name("away"))
    outcome = house.dispatcher.dispatch(number)
    assert (outcome.status, outcome.stages) == (Status.PENDING, ())
    other.path.with_name("away").rename(other.path)
    assert house.dispatcher.dispatch(number).stages == ("build", "test", "release")


def test_a_secret_that_there_is_not_is_told_before_anything_runs(house: House, origin: Origin) -> None:
    named = "build: {secrets: TOKEN}\ntest:\n  script: make\n  secrets: [SMOKE_PASWORD]\n"
    number = house.push(origin.commit(named))
    secrets = Secrets(house.client, ["0" * 64])
    secrets.set("thyme", "SMOKE_PASSWORD", "hunter22", unprotected=False, who="ada")
    secrets.set("mint", "TOKEN", "hunter22", unprotected=False, who="ada")
    outcome = house.dispatcher.dispatch(number)
    assert (outcome.status, outcome.reason) == (Status.FAILED, "definition")
    assert outcome.messages == [
        '.farm.yml:1:18: there is no secret "TOKEN" (make it: farm secret set thyme TOKEN)',
        '.farm.yml:4:13: there is no secret "SMOKE_PASWORD" (did you mean "SMOKE_PASSWORD"?)',
    ]
    assert house.sent == []
    for name in ("TOKEN", "SMOKE_PASWORD"):
        secrets.set("thyme", name, "hunter22", unprotected=False, who="ada")
    house.dispatcher.retry(number, "ada")
    assert house.dispatcher.dispatch(number).stages == ("build", "test", "release")
    assert "hunter22" not in str(house.record.claim(number, "build", "w1"))


@pytest.mark.parametrize(("branch", "protected"), [("main", True), ("side", False)])
def test_what_the_server_protects_may_have_protected_secrets(
    house: House, origin: Origin, branch: str, protected: bool
) -> None:
    number = house.push(origin.commit(branch=branch), f"refs/heads/{branch}")
    house.dispatcher.dispatch(number)
    assert house.record.claim(number, "build", "w1").protected is protected


def test_a_push_that_git_does_not_bear_out_has_no_protected_secrets(house: House, origin: Origin) -> None:
    origin.commit()
    aside = origin.commit(message="Steal the token", branch="side")
    number = house.push(aside, "refs/heads/main")
    house.dispatcher.dispatch(number)
    assert house.record.claim(number, "build", "w1").protected is False
