"""The record's rules as a model: random work and random faults over the real scripts, then peace, then the promises.

Messages are dropped, doubled, delayed; workers crash, freeze past their lease and go on; pushes are told late or twice
by several sources; Redis goes away and comes back from disk. Time passes by moving what Redis remembers of it.
"""

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from farm.errors import LeaseLost, Refused
from farm.pipeline import Status, Step
from farm.push import Push
from farm.record import Claim, Intent
from tests.records import CHAIN, FAN, MAIN, Farm, oid

pytestmark = pytest.mark.redis
LEASE = 80.0  # so long that no pause of a busy machine counts
TOPIC = "refs/heads/topic"


@dataclass
class Message:
    """A wake-up: the step and what Celery sends when it has returned."""

    number: int
    steps: tuple[str, ...]


@dataclass
class Work:
    """A worker at a step: what it has done so far, and what its chain sends next."""

    claim: Claim
    rest: tuple[str, ...]
    intent: Intent | None = None
    put: bool = False


@dataclass
class World:
    """What is outside the record: git, the broker, the workers, the registry."""

    history: dict[str, list[Push]] = field(default_factory=lambda: {MAIN: [], TOPIC: []})
    unreported: list[tuple[str, int]] = field(default_factory=list)  # of hooks that live
    seen: dict[str, int] = field(default_factory=lambda: {MAIN: 0, TOPIC: 0})  # pushes by `git ls-remote`
    messages: list[Message] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    registry: dict[str, str] = field(default_factory=dict)
    numbers: dict[tuple[str, int], int] = field(default_factory=dict)  # (ref, index in git's history) -> pipeline
    fences: dict[tuple[int, str], int] = field(default_factory=dict)
    effects: dict[tuple[int, str, int], set[int]] = field(default_factory=dict)
    tested: set[tuple[int, str, str | None]] = field(default_factory=set)  # pipeline, step and image
    mark: int = 0  # the newest pipeline by the order of main that began to release `latest`
    holder: int = 0  # the one that it shall be now: the mark, unless somebody rolled back

    @property
    def rolled_back(self) -> bool:
        return self.holder != self.mark


class Machine(RuleBasedStateMachine):
    """One farm in one Redis."""

    client: Any
    calm = False

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.farm = Farm(self.client, LEASE)
        self.world = World()
        self.counter = 0

    # git and the ledger

    @initialize(news=st.lists(st.sampled_from("abc"), min_size=2, max_size=5), rounds=st.integers(0, 3))
    def a_day_at_work(self, news: list[str], rounds: int) -> None:
        """Begin with some pipelines on their way."""
        for new in news:
            self.push(MAIN, new)
        for which in self.world.unreported:
            self._report(*which)
        self.world.unreported.clear()
        self.work_goes_on(rounds)

    @rule(
        ref=st.sampled_from([MAIN, MAIN, TOPIC]),
        new=st.sampled_from("abc"),
        located=st.booleans(),
        silent=st.sampled_from([False, False, True]),
    )
    def push(self, ref: str, new: str, located: bool = True, silent: bool = False) -> None:
        """Move a ref; the hook of a silent one died and never tells it."""
        history = self.world.history[ref]
        old = history[-1].new if history else oid("-")
        if old != oid(new):
            line = f"1-{len(history)}" if located else ""
            history.append(Push(f"{ref} {len(history)}", "thyme", ref, old, oid(new), line=line))
            if not silent:
                self.world.unreported.append((ref, len(history) - 1))

    @precondition(lambda self: self.world.unreported)
    @rule(data=st.data(), again=st.booleans())
    def report(self, data: Any, again: bool) -> None:
        which = data.draw(st.sampled_from(self.world.unreported))
        self._report(*which)
        if not again:
            self.world.unreported.remove(which)

    def _report(self, ref: str, index: int) -> None:
        history = self.world.history[ref]
        reflog = [(push.old, push.new) for push in history]
        (entry,) = self.farm.ledger.enter("thyme", [history[index]], {ref: reflog})
        known = self.world.numbers.setdefault((ref, index), entry.number)
        assert known == entry.number

    @rule(ref=st.sampled_from([MAIN, TOPIC]))
    def report_all_by_webhook(self, ref: str) -> None:
        """Another source tells the whole story once more; it never makes a second pipeline for a push."""
        for index, push in enumerate(self.world.history[ref]):
            self.farm.ledger.enter(
                "thyme",
                [Push(f"webhook {ref} {index}", "thyme", ref, push.old, push.new, source="webhook")],
                {ref: [(push.old, push.new) for push in self.world.history[ref]]},
            )

    @rule(ref=st.sampled_from([MAIN, TOPIC]), upto=st.integers(0, 9))
    def report_by_reflog(self, ref: str, upto: int) -> None:
        """What git wrote down is told, perhaps before the hook tells it; each line has one pipeline."""
        self._read_reflog(ref, upto)

    def _read_reflog(self, ref: str, upto: int = 0) -> list[int]:
        """Tell the first lines of it, of what `ls-remote` has seen at least: its grace is longer than any reading."""
        history = self.world.history[ref][: (upto and max(upto, self.world.seen[ref])) or None]
        pushes = [
            replace(push, id=f"reflog {index} of {ref} to {upto}", source="reflog", line=f"1-{index}")
            for index, push in enumerate(history)
        ]
        entries = self.farm.ledger.enter("thyme", pushes, {ref: [(push.old, push.new) for push in history]})
        numbers = [entry.number for entry in entries]
        assert len(set(numbers)) == len(history)
        return numbers

    @rule(ref=st.sampled_from([MAIN, TOPIC]))
    def guess(self, ref: str) -> None:
        """`git ls-remote` sees where the ref is, whatever came before."""
        self.counter += 1
        history, known = self.world.history[ref], self.farm.ledger.tips("thyme").get(ref, oid("-"))
        if history and history[-1].new != known:
            seen = Push(f"look {self.counter}", "thyme", ref, known, history[-1].new, source="ls-remote")
            self.farm.ledger.enter("thyme", [seen])
            self.world.seen[ref] = len(history)

    def _tell_all(self) -> None:
        for which in self.world.unreported:
            self._report(*which)
        for ref in self.world.history:  # what dead hooks did not tell
            for index, number in enumerate(self._read_reflog(ref)):
                self.world.numbers.setdefault((ref, index), number)

    # the dispatcher

    @rule(broken=st.integers(0, 9), fan=st.booleans(), told=st.booleans(), supersede=st.integers(0, 4))
    def dispatch(self, broken: int, fan: bool, told: bool, supersede: int = 0) -> None:
        for number in self.farm.ledger.undispatched()[:1]:
            if broken == 0:
                self.farm.record.close(number, Status.FAILED, "definition")
                continue
            steps: Sequence[Step] = FAN if fan else CHAIN
            begun = {work.claim.number for work in self.world.work if work.intent}
            releasing = {each for each in begun if not self.farm.status(each).final}
            opened = self.farm.record.open(
                number, definition="{}", steps=steps, image_repository="thyme", supersede=supersede == 1
            )
            assert not any(self.farm.status(each).final for each in releasing), "superseded in its release"
            if opened and told:  # else the dispatcher died before it published
                self._send(number, ("build",) if fan else tuple(step.name for step in steps))

    @rule()
    def reap(self) -> None:
        for wake in self.farm.record.reap():
            self._send(wake.number, tuple(step.name for step in wake.steps))

    def _send(self, number: int, steps: tuple[str, ...]) -> None:
        self.world.messages.append(Message(number, steps))

    # messages and workers

    @precondition(lambda self: self.world.messages)
    @rule(data=st.data(), fate=st.sampled_from(["once", "once", "once", "twice", "lost", "kept"]))
    def deliver(self, data: Any, fate: str) -> None:
        message = data.draw(st.sampled_from(self.world.messages))
        if fate != "kept":
            self.world.messages.remove(message)
        if fate != "lost":
            self._receive(message)
        if fate == "twice":
            self._receive(message)

    def _receive(self, message: Message) -> None:
        self.counter += 1
        step, *rest = message.steps
        claim = self.farm.record.claim(message.number, step, f"w{self.counter}")
        if claim.go:
            assert claim.fence > max(self.world.fences.values(), default=0)
            self.world.fences[(claim.number, claim.step)] = claim.fence
            self.world.work.append(Work(claim, tuple(rest)))
        elif claim.verdict == "done" and claim.next and rest:
            self._send(message.number, tuple(rest))

    @precondition(lambda self: self.world.work)
    @rule(data=st.data(), act=st.sampled_from(["renew", "go on", "go on", "go on", "fail", "give back", "crash"]))
    def worker(self, data: Any, act: str) -> None:
        """Let one worker do something; it does not know how long it was frozen before."""
        self._try(data.draw(st.sampled_from(self.world.work)), act)

    @rule(rounds=st.integers(1, 3))
    def work_goes_on(self, rounds: int) -> None:
        """Everybody does what is next, so that faults also meet pipelines that came far."""
        for _ in range(rounds):
            for _ in range(2):
                self.dispatch(broken=1, fan=False, told=True)
            messages, self.world.messages = self.world.messages, []
            for message in messages:
                self._receive(message)
            for work in list(self.world.work):
                if work in self.world.work:
                    self._try(work, "go on")

    @precondition(lambda self: self.world.work)
    @rule(data=st.data(), act=st.sampled_from(["renew", "go on", "give back"]))
    def a_worker_freezes_and_wakes_up(self, data: Any, act: str) -> None:
        """Long enough for the step to be taken over; then it goes on where it was."""
        frozen = data.draw(st.sampled_from(self.world.work))
        for _ in range(20):
            self.farm.age(LEASE / 4)
            for work in [work for work in self.world.work if work is not frozen]:
                self._try(work, "renew")
            self.reap()
            for message in [message for message in self.world.messages if message.number == frozen.claim.number]:
                self.world.messages.remove(message)
                self._receive(message)
        assert not self._owns(frozen), "nobody took over from a frozen worker"
        for _ in range(2):  # a manifest that it still lets loose is no act on the record
            if frozen in self.world.work:
                self._try(frozen, act)
        assert frozen not in self.world.work, "a frozen worker was heard after it was replaced"

    def _try(self, work: Work, act: str) -> None:
        try:
            self._act(work, act)
        except LeaseLost:
            self.world.work.remove(work)
            assert not self._owns(work), "a worker that nobody replaced was told that it is lost"

    def _owns(self, work: Work) -> bool:
        """Whether by all that was seen from outside this worker still must be heard."""
        row = self.farm.step(work.claim.number, work.claim.step)
        return row.get("status") == "running" and row.get("fence") == str(work.claim.fence)

    def _act(self, work: Work, act: str) -> None:
        if act == "crash":
            self.world.work.remove(work)
        elif act == "renew":
            self.farm.record.renew(work.claim)
        elif act == "give back":
            self.farm.record.give_back(work.claim, "ours")
            self.world.work.remove(work)
        elif act == "fail" and work.claim.step != "release":
            self._commit(work, Status.FAILED)
        elif work.claim.step == "release" and work.claim.ref == MAIN:
            self._release(work)
        else:
            self._commit(work, Status.PASSED)

    def _commit(self, work: Work, status: Status) -> None:
        claim = work.claim
        result = {}
        if claim.step == "build":
            result["image"] = f"host/thyme@sha256:{claim.number}-{claim.fence}"
        ready = self.farm.record.commit(claim, status, reason="told", result=result)
        assert self.world.fences[(claim.number, claim.step)] == claim.fence, "a commit without the lease"
        again = self.farm.record.commit(claim, status, reason="told", result=result)
        assert again == ready
        effects = self.world.effects.setdefault((claim.number, claim.step, claim.round), set())
        effects.add(claim.fence)
        if claim.stage == "test" and status is Status.PASSED:
            self.world.tested.add((claim.number, claim.step, claim.image))
        self.world.work.remove(work)
        if status is Status.PASSED and work.rest:
            self._send(claim.number, work.rest)
        elif status is Status.PASSED:
            for step in ready:
                self._send(claim.number, (step.name,))

    def _release(self, work: Work) -> None:
        """One step of a release at a time, so that a worker may freeze between them."""
        number = work.claim.number
        if work.intent is None:
            intent = self.farm.record.release_begin(work.claim, "latest")
            if intent.go:
                assert not self.world.mark or self._rank(number) >= self._rank(self.world.mark)
                assert intent.digest == str(work.claim.image).partition("@")[2]
                tests = [job.name for job in self.farm.record.pipeline(number).jobs if job.name.startswith("test")]
                assert all((number, test, work.claim.image) in self.world.tested for test in tests), "untested"
                assert number != self.world.mark or not self.world.rolled_back
                self.world.mark = self.world.holder = number
                work.intent = intent
            else:
                assert self._rank(number) < self._rank(self.world.mark) or self.world.rolled_back
                self._commit(work, Status.SUPERSEDED)
        elif not work.put:
            self.world.registry["latest"] = work.intent.digest
            work.put = True
        else:
            self.farm.record.release_done(work.claim, "latest")
            self._commit(work, Status.PASSED)

    def _rank(self, number: int) -> int:
        return self.farm.order().index(number)

    # people, time, faults

    @rule(data=st.data(), who=st.sampled_from(["cancel", "retry", "retry failed", "rollback"]))
    def person(self, data: Any, who: str) -> None:
        if not self.world.numbers:
            return
        number = data.draw(st.sampled_from(sorted(self.world.numbers.values())))
        try:
            if who == "cancel":
                self.farm.record.cancel(number, "jo")
            elif who == "rollback":
                self.farm.record.rollback("thyme", "latest", number, "jo")
                self.world.holder = number
            else:
                for wake in self.farm.record.retry(number, "jo", failed=who == "retry failed"):
                    self._send(wake.number, tuple(step.name for step in wake.steps))
        except Refused:
            pass

    @rule(quarters=st.integers(1, 12), alive=st.booleans())
    def time_passes(self, quarters: int, alive: bool) -> None:
        """Time goes by with the reaper at work; workers renew, or are all frozen."""
        for _ in range(quarters):
            self.farm.age(LEASE / 4)
            if alive:
                for work in list(self.world.work):
                    self._try(work, "renew")
            self.reap()

    @rule(seconds=st.floats(LEASE / 8, LEASE * 8))
    def redis_is_away(self, seconds: float) -> None:
        """Nobody is heard and nobody reaps; right after it nobody may be taken from."""
        running = [work for work in self.world.work if self._owns(work)]
        unoffered = [work for work in running if "offered" not in self.farm.step(work.claim.number, work.claim.step)]
        self.farm.age(seconds)
        self.client.execute_command("DEBUG", "RELOAD")
        self.client.script_flush()
        self.reap()
        if seconds > LEASE / 2:
            for work in unoffered:
                assert self.farm.record.claim(work.claim.number, work.claim.step, "thief").verdict == "busy"

    @rule(seconds=st.floats(LEASE, LEASE * 1000))
    def redis_has_its_clock_set_back(self, seconds: float) -> None:
        self.reap()
        self.farm.age(-seconds)
        self.reap()

    @rule()
    def reconcile(self) -> None:
        for intent in self.farm.record.intents(due=True):
            self.world.registry[intent.tag] = intent.digest
            self.farm.record.checked(intent, 3.5)

    # the promises, always

    @invariant()
    def one_effective_commit_per_step_and_round(self) -> None:
        assert all(len(fences) == 1 for fences in self.world.effects.values())

    @invariant()
    def every_report_has_one_pipeline(self) -> None:
        assert len(self.world.numbers) == len(set(self.world.numbers.values()))
        assert set(self.world.numbers.values()) <= {*self.farm.order(MAIN), *self.farm.order(TOPIC)}

    @invariant()
    def the_intent_is_the_newest_that_may_be(self) -> None:
        for intent in self.farm.record.intents():
            mark = int(self.client.hget("farm:tag:thyme:latest", "mark"))
            assert (mark, intent.number) == (self.world.mark, self.world.holder)

    def teardown(self) -> None:  # noqa: C901 - peace is long
        """Let all faults stop: then every push reaches its end and the registry tells the truth."""
        self._tell_all()
        for _ in range(200):
            pipelines = self.farm.record.pipelines(limit=1000)
            if all(pipeline.status.final for pipeline in pipelines) and not self.farm.ledger.undispatched():
                break
            for number in self.farm.ledger.undispatched():
                self.farm.record.open(number, definition="{}", steps=CHAIN, image_repository="thyme")
            self.farm.age(LEASE / 4)
            for work in list(self.world.work):
                self.farm.record.renew(work.claim) if self._owns(work) else self.world.work.remove(work)
            self.reap()
            messages, self.world.messages = self.world.messages, []
            for message in messages:
                self._receive(message)
            for work in list(self.world.work):
                for _ in range(3):
                    if work in self.world.work:
                        self._act(work, "go on")
        assert all(pipeline.status.final for pipeline in self.farm.record.pipelines(limit=1000))
        assert self.farm.ledger.undispatched() == []
        ends = Counter(int(number) for number, kind, _, _ in self.farm.events() if kind == "finished")
        pipelines = self.farm.record.pipelines(limit=1000)
        assert ends == {pipeline.number: pipeline.round for pipeline in pipelines}, "each end is told once"
        assert self.client.zcard("farm:deadlines") == self.client.zcard("farm:unfinished:thyme") == 0
        for queue in ("build", "test", "release"):
            assert self.client.zcard(f"farm:queue:{queue}") == self.client.zcard(f"farm:running:{queue}") == 0
        every = {(ref, index) for ref, history in self.world.history.items() for index in range(len(history))}
        assert set(self.world.numbers) == every
        for ref, history in self.world.history.items():
            order = [self.farm.ledger.push(number) for number in self.farm.order(ref)]
            assert [(push.old, push.new) for push in order] == [(push.old, push.new) for push in history]
        self.farm.age(10)
        self.reconcile()
        for intent in self.farm.record.intents():
            assert self.world.registry[intent.tag] == intent.digest
        self.farm.logs.close()


@pytest.fixture(scope="session")
def model_redis(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[..., str], poll: Callable[..., Any]
) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("model")
    socket = folder / "redis.sock"
    command = [
        *(need("redis-server"), "--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""),
        *("--appendonly", "no", "--enable-debug-command", "local"),
    ]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    client = redis.Redis(unix_socket_path=str(socket), decode_responses=True)
    poll(client.ping)
    yield client
    client.close()
    process.kill()
    process.wait()


def check(client: Any, examples: int, steps: int, *, derandomize: bool, **more: Any) -> None:
    bound = type("Bound", (Machine,), {"client": client})
    run_state_machine_as_test(
        bound,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            database=None,
            suppress_health_check=list(HealthCheck),
            **more,
        ),
    )


def test_the_promises_hold_under_random_faults(model_redis: Any) -> None:
    check(model_redis, 60, 50, derandomize=True)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_promises_hold_under_many_more(model_redis: Any) -> None:
    check(model_redis, 600, 80, derandomize=False)
