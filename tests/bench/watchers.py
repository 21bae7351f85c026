"""A hundred watch one log of a dispatcher: how long from a line's writing until each has seen it, and at what cost.

Once by server-sent events, once by the same watchers asking for what is new twice a second, as `farm watch` does for a
pipeline. Part of tests/bench/web.py.
"""

import asyncio
import json
import os
import random
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from farm.ledger import Ledger
from farm.logs import Logs
from farm.pipeline import Status, Step
from farm.push import Push
from farm.record import Record

if TYPE_CHECKING:
    import redis

WATCHERS = 100
LINES = 50
PAUSE = 0.1  # seconds between two lines
EVERY = 0.5  # seconds between two questions of one watcher

Watch = Callable[[httpx.AsyncClient, str, asyncio.Semaphore], AsyncIterator[str]]


def compare(client: "redis.Redis", url: str, token: str, dispatcher: int) -> None:
    """Print the median of both ways with the dispatcher's processor time, and what the one is to the other."""
    medians = []
    for name, watch in (("by events", _by_events), ("by asking", _by_asking)):
        before = _processor(dispatcher)
        times = asyncio.run(_round(client, url, token, watch))
        spent = _processor(dispatcher) - before
        assert len(times) == WATCHERS * LINES, f"{len(times)} lines were seen"
        medians.append(statistics.median(times))
        far = statistics.quantiles(times, n=20)[-1]
        what = f"{WATCHERS} watchers {name}"
        print(f"{what:24} median {medians[-1] * 1000:6.1f} ms   p95 {far * 1000:6.1f} ms   dispatcher {spent:.1f} s")
    print(f"a line is seen {medians[1] / medians[0]:.1f} times as soon by events as by asking every {EVERY:g} s")


async def _round(client: "redis.Redis", url: str, token: str, watch: Watch) -> list[float]:
    """Have all of them watch a log from before its first line to its end; return how late each saw each line."""
    record, logs, times = Record(client), Logs(client), list[float]()
    number = _pipeline(client, record)
    claim = record.claim(number, "build", "w1@c1")
    there = asyncio.Semaphore(0)

    async def follow(http: httpx.AsyncClient) -> None:
        async for text in watch(http, f"/pipelines/{number}/logs/build", there):
            times.extend(time.perf_counter() - float(line) for line in text.splitlines())

    def write() -> None:
        with logs.writer(number, "build", claim.fence) as log:
            for _ in range(LINES):
                log.write(f"{time.perf_counter()}\n".encode())
                time.sleep(PAUSE)
        record.commit(claim, Status.PASSED)

    limits = httpx.Limits(max_connections=WATCHERS)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=limits) as http:
        following = [asyncio.create_task(follow(http)) for _ in range(WATCHERS)]
        for _ in following:
            await there.acquire()
        await asyncio.to_thread(write)
        await asyncio.gather(*following)
    logs.close()
    return times


async def _by_events(http: httpx.AsyncClient, path: str, there: asyncio.Semaphore) -> AsyncIterator[str]:
    async with http.stream("GET", path, headers={"Accept": "text/event-stream"}) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("retry: "):
                there.release()
            if line.startswith("data: ") and (text := json.loads(line.removeprefix("data: ")).get("text")):
                yield text


async def _by_asking(http: httpx.AsyncClient, path: str, there: asyncio.Semaphore) -> AsyncIterator[str]:
    there.release()
    await asyncio.sleep(random.uniform(0, EVERY))
    after = "0"
    while True:
        page = (await http.get(path, params={"after": after})).raise_for_status().json()
        for chunk in page["chunks"]:
            yield chunk["text"]
        if page["complete"]:
            return
        after = page["cursor"]
        await asyncio.sleep(EVERY)


def _pipeline(client: "redis.Redis", record: Record) -> int:
    ids = [uuid.uuid4().hex + "0" * 8 for _ in range(2)]
    push = Push(str(uuid.uuid4()), "thyme", "refs/heads/watched", ids[0], ids[1], "ada")
    (entry,) = Ledger(client).enter("thyme", [push])
    record.open(entry.number, definition="{}", steps=[Step("build", "build", (), "build")], image_repository="thyme")
    return entry.number


def _processor(process: int) -> float:
    """Return how many seconds of processors a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
