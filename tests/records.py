"""A farm's record for tests: short words for what every test of it does, over a real Redis."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from farm.ledger import Ledger
from farm.logs import Logs
from farm.pipeline import Status, Step
from farm.push import ZERO, Push
from farm.record import Claim, Record, Wake

CHAIN = (
    Step("build", "build", (), "build"),
    Step("test", "test", ("build",), "test"),
    Step("release", "release", ("test",), "release"),
)
FAN = (
    Step("build", "build", (), "build"),
    Step("test/a", "test", ("build",), "test"),
    Step("test/b", "test", ("build",), "test"),
    Step("release", "release", ("test/a", "test/b"), "release"),
)
MAIN = "refs/heads/main"


def oid(letter: str) -> str:
    """Return an object id: `a` is aaaa…, `-` is none."""
    return ZERO if letter == "-" else (letter.encode().hex() * 40)[:40]


class Farm:
    """The record, ledger and logs of one Redis, with a repository `thyme`."""

    def __init__(self, client: Any, lease: float = 9.0) -> None:
        self.redis = client
        self.record = Record(client, lease)
        self.ledger = Ledger(client, lease)
        self.logs = Logs(client)
        self.ledger.register("thyme", "file:///srv/thyme.git", "main", {})

    def push(self, old: str, new: str, **more: Any) -> Push:
        fields = {"ref": MAIN, "source": "hook", "who": "jo", "id": str(uuid.uuid4()), "repository": "thyme"} | more
        return Push(old=oid(old), new=oid(new), **fields)

    def enter(self, *pushes: Push, reflog: str = "", ref: str = MAIN) -> list[int]:
        """Enter pushes; a reflog is written "-a ab bc"."""
        logs = {ref: [(oid(pair[0]), oid(pair[1])) for pair in reflog.split()]} if reflog else {}
        return [entry.number for entry in self.ledger.enter("thyme", pushes, logs)]

    def order(self, ref: str = MAIN) -> list[int]:
        """Return the numbers of a ref in its order."""
        return [int(number) for number in self.redis.zrange(f"farm:ref:thyme:{ref}", 0, -1)]

    def open(self, old: str = "-", new: str = "a", steps: Sequence[Step] = CHAIN, **more: Any) -> int:
        """Enter a push and open its pipeline."""
        number = self.enter(self.push(old, new, **more))[0]
        assert self.record.open(number, definition="{}", steps=steps, image_repository="thyme")
        return number

    def claim(self, number: int, step: str, worker: str = "w1") -> Claim:
        claim = self.record.claim(number, step, worker)
        assert claim.verdict == "go", claim.verdict
        return claim

    def pass_step(self, number: int, step: str, worker: str = "w1") -> None:
        claim = self.claim(number, step, worker)
        result = {"image": f"host:5000/thyme@sha256:{number:064x}"} if step == "build" else {}
        self.record.commit(claim, Status.PASSED, result=result)

    def end(self, number: int, *, passes: bool, said: bytes) -> None:
        """Pass all steps, or fail the build behind what it said."""
        if passes:
            for step in ("build", "test", "release"):
                self.pass_step(number, step)
            return
        claim = self.claim(number, "build")
        with self.logs.writer(number, "build", claim.fence) as log:
            log.write(said)
        self.record.commit(claim, Status.FAILED, reason="exit status 2")

    def to_release(self, number: int) -> Claim:
        """Pass build and test and claim the release."""
        self.pass_step(number, "build")
        self.pass_step(number, "test")
        return self.claim(number, "release")

    def release(self, number: int, tag: str = "latest") -> None:
        claim = self.to_release(number)
        assert self.record.release_begin(claim, tag).go
        assert self.record.release_done(claim, tag)
        self.record.commit(claim, Status.PASSED)

    def status(self, number: int) -> Status:
        return self.record.pipeline(number).status

    def step(self, number: int, step: str) -> dict[str, str]:
        return dict(self.redis.hgetall(f"farm:pipeline:{number}:step:{step}"))

    def settle_reaper(self) -> None:
        """Reap until the reaper no longer waits for everybody to be heard of."""
        self.reap_until(lambda _: float(self.redis.hget("farm:reaper:tick", "hold")) < self.now())

    def age(self, seconds: float) -> None:
        """Let everything in Redis be so many seconds older; younger, and Redis's clock was set back."""
        pipe = self.redis.pipeline()
        for key in ("farm:deadlines", "farm:undispatched", "farm:held", "farm:tags"):
            for member in self.redis.zrange(key, 0, -1):
                pipe.zincrby(key, -seconds, member)
        rows = [(key, ("lease", "ready")) for key in self.redis.scan_iter("farm:pipeline:*:step:*")]
        for key, names in [*rows, ("farm:reaper:tick", ("tick", "hold"))]:
            for name in names:
                if time_ := self.redis.hget(key, name):
                    pipe.hset(key, name, f"{float(time_) - seconds:.6f}")
        pipe.execute()

    def now(self) -> float:
        seconds, micro = self.redis.time()
        return float(seconds) + micro / 1e6

    def reap_until(self, done: Any, deadline: float = 60.0) -> list[Wake]:
        """Reap as a dispatcher does, often, until the condition on all wakes so far is met."""
        wakes: list[Wake] = []
        end = time.monotonic() + deadline
        while True:
            wakes += self.record.reap()
            if done(wakes):
                return wakes
            assert time.monotonic() < end, f"reaped {wakes}"
            time.sleep(self.record.lease / 10)

    def events(self) -> list[tuple[str, str, str, str]]:
        return [
            (event["pipeline"], event["kind"], event["step"], event["status"])
            for _, event in self.redis.xrange("farm:outbox")
        ]
