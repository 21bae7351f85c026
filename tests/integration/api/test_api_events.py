"""Server-sent events: what is told, to whom, and from where on after a broken connection."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import httpx
import pytest

from farm.api import events, feed, logs
from farm.pipeline import Status
from tests.integration.api.conftest import HOOK, OWN, Served

pytestmark = pytest.mark.redis

STREAM = {"Accept": "text/event-stream"}
WATCHERS = 100


def parsed(block: str) -> dict[str, Any]:
    """Return one event's fields; a comment or a `retry` alone has no `data`."""
    fields: dict[str, Any] = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
    return fields | ({"data": json.loads(fields["data"])} if "data" in fields else {})


@contextlib.contextmanager
def watching(served: Served, path: str, token: str = OWN, **headers: str) -> Iterator[Iterator[dict[str, Any]]]:
    """Watch, once the stream has begun."""
    headers = {"Authorization": f"Bearer {token}", **STREAM, **headers}
    with httpx.stream("GET", served.url + path, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        blocks = _blocks(answer.iter_text())
        assert parsed(next(blocks)) == {"retry": "2000"}
        yield (event for event in map(parsed, blocks) if "data" in event)


def _blocks(texts: Iterator[str]) -> Iterator[str]:
    rest = ""
    for text in texts:
        *whole, rest = (rest + text).split("\n\n")
        yield from whole


def test_changes_are_told_and_taken_up_again(served: Served) -> None:
    first = served.farm.open("-", "a")
    zero = served.farm.redis.xrange("farm:outbox")[0][0]
    with watching(served, "/events", **{"Last-Event-ID": zero}) as events:
        queued = next(events)
        assert (queued["event"], queued["data"]["pipeline"], queued["data"]["repository"]) == ("queued", first, "thyme")
        served.farm.claim(first, "build")
        running = next(events)
        assert running["data"] == {
            "pipeline": first,
            "kind": "step",
            "step": "build",
            "status": "running",
            "repository": "thyme",
            "ref": "refs/heads/main",
        }
    served.farm.record.cancel(first, "ada")
    with watching(served, "/events", **{"Last-Event-ID": running["id"]}) as events:
        missed = [next(events)["data"] for _ in range(4)]
    assert [(each["kind"], each["status"]) for each in missed] == [
        *[("step", "canceled")] * 3,
        ("finished", "canceled"),
    ]
    assert [each["id"] for each in (queued, running)] == [row[0] for row in served.farm.redis.xrange("farm:outbox")][
        1:3
    ]


def test_one_pipeline_alone_can_be_watched(served: Served) -> None:
    first, second = served.farm.open("-", "a"), served.farm.open("a", "b")
    with watching(served, f"/events?pipeline={second}&repository=thyme", HOOK, **{"Last-Event-ID": "0"}) as events:
        assert [next(events)["event"] for _ in range(2)] == ["created", "queued"]
        served.farm.record.cancel(first, "ada")
        served.farm.record.cancel(second, "ada")
        assert {next(events)["data"]["pipeline"] for _ in range(4)} == {second}
    assert served.get("/events", HOOK).status_code == 403
    assert served.get("/events", headers={"Last-Event-ID": "x"}).status_code == 422


def test_a_log_is_told_to_its_end_and_from_a_cursor_on(served: Served) -> None:
    number = served.farm.open()
    claim = served.farm.claim(number, "build")
    path = f"/pipelines/{number}/logs/build"
    with watching(served, path, HOOK) as events:
        with served.farm.logs.writer(number, "build", claim.fence) as log:
            log.write(b"one\n")
            first = next(events)
            assert (first["event"], first["data"]["line"], first["data"]["text"]) == ("lines", 1, "one\n")
            log.write(b"two\n")
            second = next(events)
        served.farm.record.commit(claim, Status.PASSED)
        assert [event["event"] for event in events][-1] == "complete"
    with watching(served, path, HOOK, **{"Last-Event-ID": first["id"]}) as events:
        assert [event["data"].get("text") for event in events] == ["two\n", None]
    answer = served.get(path, headers=STREAM | {"Last-Event-ID": second["id"]})
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_hundred_follow_one_log_and_the_list_is_answered(served: Served) -> None:
    """All of them are in the stream before anything is written, and get every line; threads stay as few as before."""
    number = served.farm.open()
    claim = served.farm.claim(number, "build")
    lines = [f"line {n}\n" for n in range(2000)]
    begun = threading.Barrier(2, timeout=60)
    threads = threading.active_count()

    async def follow(client: httpx.AsyncClient, there: asyncio.Semaphore) -> str:
        async with client.stream("GET", f"/pipelines/{number}/logs/build", headers=STREAM) as answer:
            blocks = _ablocks(answer.aiter_text())
            assert await anext(blocks) == "retry: 2000"
            there.release()
            events = [event async for block in blocks if "data" in (event := parsed(block))]
        assert events.pop()["event"] == "complete"
        return "".join(event["data"]["text"] for event in events)

    async def follow_all() -> list[str]:
        there, limits = asyncio.Semaphore(0), httpx.Limits(max_connections=WATCHERS)
        headers = {"Authorization": f"Bearer {OWN}"}
        async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=60, limits=limits) as client:
            following = [asyncio.create_task(follow(client, there)) for _ in range(WATCHERS)]
            for _ in following:
                await there.acquire()
            await asyncio.to_thread(begun.wait)
            return list(await asyncio.gather(*following))

    with ThreadPoolExecutor(1) as pool:  # a browser of another test may have its loop in this thread
        done = pool.submit(asyncio.run, follow_all())
        begun.wait()
        with served.farm.logs.writer(number, "build", claim.fence) as log:
            for line in lines:
                log.write(line.encode())
            began = monotonic()
            assert served.get("/pipelines").status_code == 200
            listed = monotonic() - began
            assert threading.active_count() - threads < WATCHERS // 2
        served.farm.record.commit(claim, Status.PASSED)
        texts = done.result(60)
    assert listed < 30, "the list waits for the watchers"
    assert texts == ["".join(lines)] * WATCHERS


async def _ablocks(texts: AsyncIterator[str]) -> AsyncIterator[str]:
    rest = ""
    async for text in texts:
        *whole, rest = (rest + text).split("\n\n")
        for block in whole:
            yield block


def test_somebody_who_hears_nothing_is_told_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (feed, events, logs):
        monkeypatch.setattr(module, "SILENCE", 0.3)
    number = served.farm.open()
    served.farm.claim(number, "build")
    headers = {"Authorization": f"Bearer {OWN}", **STREAM}
    for path in ("/events", f"/pipelines/{number}/logs/build"):
        with httpx.stream("GET", served.url + path, headers=headers, timeout=60) as answer:
            blocks = _blocks(answer.iter_text())
            assert [next(blocks) for _ in range(3)] == ["retry: 2000", ": still here", ": still here"]


def test_while_redis_is_away_and_when_it_is_back(
    served: Served, redis_server: Any, poll: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes go on in the same stream; a log's ends, also one begun meanwhile, and is taken up where it was."""
    monkeypatch.setattr(feed, "PAUSE", 0.1)
    farm, number = served.farm, served.farm.open()
    claim, path = farm.claim(number, "build"), f"/pipelines/{number}/logs/build"
    with farm.logs.writer(number, "build", claim.fence) as log:
        log.write(b"one\n")
    with watching(served, f"/events?pipeline={number}", **{"Last-Event-ID": "0"}) as changes:
        assert [next(changes)["data"]["kind"] for _ in range(3)] == ["created", "queued", "step"]
        with watching(served, path) as lines:
            first = next(lines)
            redis_server.stop()
            assert list(lines) == []
        with watching(served, path, **{"Last-Event-ID": first["id"]}) as lines:
            assert list(lines) == []
        asked = served.get(path)
        assert (asked.status_code, "Redis does not answer" in asked.json()["detail"]) == (503, True)
        redis_server.start()
        poll(farm.redis.ping)
        with farm.logs.writer(number, "build", claim.fence) as log:
            log.write(b"two\n")
        farm.record.commit(claim, Status.FAILED, reason="exit status 2")
        assert ("step", "failed") in [(each["data"]["kind"], each["data"]["status"]) for each in _until_end(changes)]
    with watching(served, path, **{"Last-Event-ID": first["id"]}) as lines:
        assert [event["data"].get("text") for event in lines] == ["two\n", None]


def _until_end(changes: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for event in changes:
        yield event
        if event["data"]["kind"] == "finished":
            return


def test_a_watcher_of_a_log_who_is_thousands_of_lines_behind(served: Served) -> None:
    number = served.farm.open()
    claim = served.farm.claim(number, "build")
    with served.farm.logs.writer(number, "build", claim.fence) as log:
        log.write(b"line 1\n")
    page = served.get(f"/pipelines/{number}/logs/build").json()
    rest = [f"line {n}\n" for n in range(2, 5001)]
    with served.farm.logs.writer(number, "build", claim.fence) as log:
        for line in rest:
            log.write(line.encode())
    served.farm.record.commit(claim, Status.PASSED)
    with watching(served, f"/pipelines/{number}/logs/build", **{"Last-Event-ID": page["cursor"]}) as lines:
        *told, last = lines
    assert last["event"] == "complete"
    assert "".join(each["data"]["text"] for each in told) == "".join(rest)


def test_a_watcher_of_changes_who_is_too_far_behind_is_let_go_and_comes_back(served: Served, redis_server: Any) -> None:
    number, farm = served.farm.open(), served.farm
    change = {"pipeline": number, "kind": "note", "step": "", "status": "pending"}
    many = feed.BEHIND + 100

    def happen(count: int) -> None:
        with farm.redis.pipeline(transaction=False) as pipe:
            for _ in range(count):
                pipe.xadd("farm:outbox", change)
            pipe.execute()

    async def slow() -> list[str]:
        """Hear one, and no more until there are too many; then come back with the last that was heard."""
        told = feed.Feed(redis_server.url)
        watched = told.watch(None)
        first = asyncio.ensure_future(anext(watched))
        await _true(lambda: told._task is not None)
        await asyncio.to_thread(happen, 1)
        heard = [(await first)[0]]
        await asyncio.to_thread(happen, many)
        await _true(lambda: not told._watchers)
        heard += [each[0] async for each in watched]
        assert len(heard) == 1 + feed.BEHIND
        async for each in told.watch(heard[-1]):
            heard.append(each[0])
            if len(heard) == 1 + many:
                return heard
        raise AssertionError

    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(asyncio.run, asyncio.wait_for(slow(), 60)).result(90)
    assert heard == [row[0] for row in farm.redis.xrange("farm:outbox")][-1 - many :]


async def _true(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - another task's doing, which tells nobody
        await asyncio.sleep(0.01)
