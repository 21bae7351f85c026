"""How long the pages take with a long history: 10,000 pipelines in the record, a real Redis, the stock Flower.

Prints median and 95th percentile of each page and ends with 1 when the list takes 200 ms or more at the median. Then a
hundred watch a running log (tests/bench/watchers.py).
Run it as `python -m tests.bench.web [--pipelines 10000] [--rounds 40]`; it needs a redis-server and takes half a minute
to fill the record.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import redis

from farm.home import free_ports
from farm.ledger import Ledger
from farm.logs import Logs
from farm.pipeline import Status, Step
from farm.push import Push
from farm.record import Record, TestResult, WorkerInfo
from tests.bench import watchers

ROOT = Path(__file__).parents[2]
LIMIT = 0.2  # seconds
STEPS = (
    Step("build", "build", (), "build"),
    Step("test", "test", ("build",), "test"),
    Step("release", "release", ("test",), "release"),
)
COUNTED = {"total": 500, "passed": 500, "failed": 0, "skipped": 0}
RESULTS = [TestResult(f"tests.test_module_{n % 40}::test_{n}", "passed", 0.01 * (n % 30)) for n in range(500)]


def main() -> int:
    """Be the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipelines", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as folder, contextlib.ExitStack() as stack:
        redis_port, flower_port, port = free_ports(3)
        url = f"redis://127.0.0.1:{redis_port}/0"
        server = ["redis-server", "--port", str(redis_port), "--save", "", "--dir", folder]
        stack.enter_context(running(server, Path(folder), "redis.log"))
        client = redis.Redis.from_url(url, decode_responses=True)
        until(client.ping)
        began = time.monotonic()
        pages = fill(client, arguments.pipelines)
        size = client.info("memory")["used_memory"] / (1 << 20)
        print(f"{arguments.pipelines:,} pipelines in {time.monotonic() - began:.0f} s, {size:.0f} MiB in Redis")
        flower = [sys.executable, "-m", "celery", "-A", "farm.broker", "flower", f"--port={flower_port}"]
        flower += [f"--conf={ROOT}/config/flowerconfig.py", "--address=127.0.0.1"]
        stack.enter_context(running(flower, Path(folder), "flower.log", FARM_REDIS_URL=url, FARM_HOME=folder))
        with httpx.Client(base_url=f"http://127.0.0.1:{flower_port}", timeout=30) as web:
            until(lambda: web.get("/healthcheck").status_code == httpx.codes.OK)
            medians = {name: measured(web, name, path, arguments.rounds) for name, path in pages.items()}
        token, address = uuid.uuid4().hex, f"http://127.0.0.1:{port}"
        told = {"FARM_REDIS_URL": url, "FARM_HOME": folder, "FARM_TOKEN": token, "FARM_URL": address, "FARM_POLL": "0"}
        program = [str(Path(sys.executable).parent / "farm"), "dispatcher"]
        dispatcher = stack.enter_context(running(program, Path(folder), "dispatcher.log", **told))
        until(lambda: httpx.get(f"{address}/health").status_code == httpx.codes.OK)
        watchers.compare(client, address, token, dispatcher.pid)
        client.close()
    return int(medians["list"] >= LIMIT)


def fill(client: "redis.Redis", many: int) -> dict[str, str]:
    """Put pipelines into the record as the dispatcher and the workers do; return the pages to look at."""
    record, ledger, logs = Record(client), Ledger(client), Logs(client)
    for repository in ("thyme", "seedbank", "bees"):
        ledger.register(repository, f"/srv/git/{repository}.git", "main", {})
    record.beat(WorkerInfo("w1@c1", "c1", 4, queues=("release", "test", "build")))
    new = {}
    for at in range(many):
        number = at + 1
        repository, ref = ("thyme", "seedbank", "bees")[at % 3], f"refs/heads/{'main' if at % 2 else f'b{at % 40}'}"
        old = new.get((repository, ref), "0" * 40)
        new[repository, ref] = uuid.uuid4().hex + "0" * 8
        (entry,) = ledger.enter(
            repository, [Push(str(uuid.uuid4()), repository, ref, old, new[repository, ref], "ada")]
        )
        number = entry.number
        record.describe(number, subject=f"Change number {at}", author="Ada Oyelaran")
        record.open(number, definition="{}", steps=STEPS, image_repository=repository)
        for step in STEPS:
            claim = record.claim(number, step.name, "w1@c1")
            failed = step.name == "test" and at % 7 == 0
            result = {"image": f"127.0.0.1:5000/{repository}@sha256:{number:064x}"} if step.name == "build" else {}
            if step.name == "test" and many - at <= 60:
                result = {"tests": COUNTED | {"changes": record.remember(claim, "test", RESULTS)}}
            record.commit(claim, Status.FAILED if failed else Status.PASSED, result=result)
            if failed:
                break
    logs.close()
    return {
        "list": "/pipelines",
        "list, page 2": f"/pipelines?before={many - 30}",
        "list of a branch": "/pipelines?branch=b12",
        "list of a rare status": "/pipelines?status=errored",
        "one pipeline": f"/pipelines/{many // 2}",
        "queues": "/queues?span=week",
        "machines": "/machines",
        "images": "/images",
        "tests of a branch": "/tests?repository=thyme&branch=main",
        "badge": "/badge/thyme/main.svg",
    }


def measured(web: httpx.Client, name: str, path: str, rounds: int) -> float:
    """Ask for a page several times, print how long it took, return the median in seconds."""
    web.get(path).raise_for_status()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        web.get(path).raise_for_status()
        times.append(time.perf_counter() - began)
    median, far = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    print(f"{name:24} median {median * 1000:6.1f} ms   p95 {far * 1000:6.1f} ms")
    return median


@contextlib.contextmanager
def running(command: list[str], folder: Path, log: str, **env: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program until the `with` ends."""
    with (folder / log).open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **env}, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(condition: Callable[[], object], deadline: float = 60.0) -> None:
    """Wait until something answers."""
    end = time.monotonic() + deadline
    while True:
        with contextlib.suppress(redis.RedisError, httpx.TransportError):
            if condition():
                return
        if time.monotonic() > end:
            raise SystemExit("it did not start; see the logs in its folder")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
