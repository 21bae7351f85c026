"""How things stand: pipelines, workers, queues, why one waits. It changes nothing but what is said of workers."""

from collections.abc import Sequence
from dataclasses import asdict

from farm.errors import Refused
from farm.pipeline import Pipeline, Status
from farm.record import reading
from farm.record.scripts import Base
from farm.record.values import Queue, WorkerInfo, dumps

SILENCE = 30.0  # s after which a worker that was not heard of no longer counts as one
PAGE, LOOKS = 500, 8  # pipelines that are looked at in one go for a status, and how often


class Views(Base):
    """Read pipelines, workers and queues."""

    def pipeline(self, number: int) -> Pipeline:
        """Return one pipeline; Refused if there is none with this number."""
        found = self.read([number])
        if not found:
            raise Refused(f"there is no pipeline #{number}; `farm list` shows those that there are")
        return found[0]

    def definition(self, number: int) -> str:
        """Return the definition that a pipeline runs, resolved, as JSON; Refused if it has no steps."""
        definition = self.redis.hget(f"farm:pipeline:{number}", "definition")
        if not definition:
            raise Refused(f"pipeline #{number} ran no step, so it has no definition; see farm show {number}")
        return str(definition)

    def pipelines(
        self,
        *,
        repository: str | None = None,
        ref: str | None = None,
        status: Status | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Pipeline]:
        """Return pipelines, newest number first, with numbers below `before`; `page` says where more are."""
        found, _ = self.page(repository=repository, ref=ref, status=status, before=before, limit=limit)
        return found

    def page(
        self,
        *,
        repository: str | None = None,
        ref: str | None = None,
        status: Status | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> tuple[list[Pipeline], int | None]:
        """Return pipelines and the number below which there may be more, or None.

        It looks at a few thousand at most, so that a rare status costs no walk through all that ever was: there may
        be more although fewer than `limit` are returned.
        """
        places = [repository] if repository else sorted(self.redis.smembers("farm:repositories")) if ref else []
        if ref and not places:
            return [], None
        chosen: list[int] = []
        for _ in range(LOOKS if status else 1):
            most = PAGE if status else limit
            numbers = self.numbers(repositories=places, refs=[ref] if ref else (), before=before, limit=most)
            states = self.statuses(numbers) if status else ()
            chosen += (
                [number for number, state in zip(numbers, states, strict=True) if state == status]
                if status
                else numbers
            )
            before = numbers[-1] if len(numbers) == most else None
            if before is None or len(chosen) >= limit:
                break
        if len(chosen) > limit:
            before = chosen[limit - 1]
        return self.read(chosen[:limit]), before

    def numbers(
        self, *, repositories: Sequence[str] = (), refs: Sequence[str] = (), before: int | None = None, limit: int = 50
    ) -> list[int]:
        """Return the newest numbers below `before`: of all, of some repositories, or of some refs of theirs."""
        keys = [f"farm:pipelines:{name}" + (f":{ref}" if ref else "") for name in repositories for ref in refs or [""]]
        upper = f"({before}" if before is not None else "+inf"
        with self.redis.pipeline(transaction=False) as pipe:
            for key in keys or ["farm:pipelines"]:
                pipe.zrevrangebyscore(key, upper, "-inf", start=0, num=limit)
            found = [int(number) for numbers in pipe.execute() for number in numbers]
        return sorted(found, reverse=True)[:limit]

    def statuses(self, numbers: Sequence[int]) -> list[str | None]:
        """Return the status of each, None for what is not there; far cheaper than the whole of them."""
        with self.redis.pipeline(transaction=False) as pipe:
            for number in numbers:
                pipe.hget(f"farm:pipeline:{number}", "status")
            return list(pipe.execute())

    def read(self, numbers: Sequence[int]) -> list[Pipeline]:
        """Return these pipelines in this order; unknown numbers are left out."""
        return [reading.readable(row) for row in self.scripts.run("read", *numbers)]

    def holds(self, number: int, step: str, fence: int) -> bool:
        """Say whether what an attempt has made on an engine is still wanted.

        It is while the step runs under this fence; what a build has prepared for the test, also until that ends.
        """
        return bool(self.scripts.run("holds", number, step, fence))

    def priority(self, number: int, step: str) -> int:
        """Return when it is a waiting step's turn: 0 first, 9 last, the later the more its repository has before it."""
        return int(self.redis.hget(f"farm:pipeline:{number}:step:{step}", "priority") or 0)

    def beat(self, worker: WorkerInfo) -> str | None:
        """Say that a worker is there, every few seconds; return why the record has it take no work, or None."""
        lists = (dumps(list(part)) for part in (worker.labels, worker.queues, worker.busy))
        left = dumps(asdict(worker.machine)) if worker.machine else ""
        said = (worker.name, worker.host, worker.slots, *lists, worker.closed or "", left)
        now, against = self.scripts.run("beat", *said)
        return reading.closed(reading.fields(against), float(now))

    def leave(self, name: str) -> None:
        """Say that a worker has ended in order, so that nobody misses it; a drain stays for its next start."""
        self.scripts.run("leave", name)

    def drain(self, name: str, who: str, *, undo: bool = False) -> None:
        """Let a worker finish what it has and take nothing more, also after its next start; or undo that."""
        if self.scripts.run("drain", name, who, int(undo)) == "unknown":
            raise Refused(f"there is no worker {name}; `farm workers` shows those that there are")

    def workers(self, *, silence: float = SILENCE) -> list[WorkerInfo]:
        """Return the workers that were heard of lately, by name."""
        now, *rows = self.scripts.run("workers")
        found = []
        for name, flat, against in rows:
            row, held = reading.fields(flat), reading.fields(against)
            if float(now) - float(row["seen"]) <= silence:
                found.append(reading.worker(name, row, held, float(now)))
        return sorted(found, key=lambda worker: worker.name)

    def queues(self) -> list[Queue]:
        """Return every queue that ever had a step or has a consumer, by name."""
        workers = self.workers()
        serving: dict[str, list[str]] = {}
        for worker in workers:
            for queue in worker.queues:
                serving.setdefault(queue, []).extend(() if worker.closed else (worker.name,))
        found = [
            Queue(
                name,
                int(depth),
                float(oldest) if oldest else None,
                int(running),
                tuple(serving.get(name, ())),
                _nobody(name, workers),
            )
            for name, depth, oldest, running in self.scripts.run("queues", *serving)
        ]
        return sorted(found, key=lambda queue: queue.name)

    def waiting(self, number: int, workers: Sequence[WorkerInfo] | None = None) -> str | None:
        """Say in one sentence why a pipeline waits; None when it runs, is over, or is unknown.

        Who asks for many reads the workers once.
        """
        kind, *rest = self.scripts.run("waiting", number)
        if kind == "undispatched":
            return rest[0] or "no dispatcher has read its definition yet"
        if kind == "offered":
            return f"{rest[0]}: {rest[1]}"
        if kind == "pause":
            step, seconds, reason = rest
            return f"{step} is tried again in {float(seconds):.0f} s: {reason}"
        if kind != "queued":
            return None
        _, queue, ahead = rest
        if nobody := _nobody(queue, self.workers() if workers is None else workers):
            return nobody
        return f"{ahead} ahead in `{queue}`" if int(ahead) else f"next in `{queue}`, once a worker is free"

    def unserved(self, number: int) -> str | None:
        """Say that nobody takes what a pipeline waits for; None when somebody does, however many are ahead."""
        kind, *rest = self.scripts.run("waiting", number)
        return _nobody(rest[1], self.workers()) if kind == "queued" else None


def _nobody(queue: str, workers: Sequence[WorkerInfo]) -> str | None:
    stage, _, labels = queue.partition("+")
    named = labels or stage
    serving = [worker for worker in workers if queue in worker.queues]
    if not serving:
        return f"no worker serves `{named}`"
    if any(worker.closed is None for worker in serving):
        return None
    why = "; ".join(f"{worker.name} {worker.closed}" for worker in serving)
    return f"no worker that serves `{named}` takes work: {why}"
