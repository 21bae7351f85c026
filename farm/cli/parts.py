"""Checks of `farm doctor` on the farm's parts: Redis, clock, registry, dispatcher, Flower, queues. They mend none."""

import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import redis

from farm import clock
from farm.cli.finding import Finding
from farm.client import Client
from farm.errors import FarmError
from farm.record import Record
from farm.registry import probe, root
from farm.secrets import Secrets
from farm.settings import Settings

OLDEST_REDIS = 7
_SKEW = 5.0  # seconds; leases use Redis's clock alone, labels of what is on an engine and pages do not
_FULL = 0.8


def store(settings: Settings, client: redis.Redis) -> Iterator[Finding]:
    """Look at Redis: alive, new enough, writing everything down, forgetting nothing. Ends at once if it is away."""
    place = urlsplit(settings.redis_url)
    name = f"{place.hostname}:{place.port}"
    try:
        info = client.info()
        moment = clock.now(client)
    except redis.AuthenticationError:
        yield Finding.error(
            "redis", f"{name} refuses the password", "join again with a new join.env, or mend FARM_REDIS_URL"
        )
        return
    except redis.RedisError as error:
        words = str(error).rstrip(".").rpartition(". ")[2]
        yield Finding.error(
            "redis", f"{name} does not answer: {words}", f"`farm up` where the farm is; open {name} to this machine"
        )
        return
    version = str(info["redis_version"])
    if int(version.partition(".")[0]) < OLDEST_REDIS:
        yield Finding.error("redis", f"version {version} is too old", f"install Redis {OLDEST_REDIS} or newer")
    else:
        yield Finding.ok("redis", f"version {version} at {name}")
    yield from _kept(info)
    skew = time.time() - moment
    if abs(skew) > _SKEW:
        yield Finding.error(
            "clock", f"{abs(skew):.0f} s {'before' if skew > 0 else 'behind'} Redis", "timedatectl set-ntp true"
        )
    else:
        yield Finding.ok("clock", f"{abs(skew):.1f} s beside Redis")


def _kept(info: dict[str, object]) -> Iterator[Finding]:
    if not info["aof_enabled"]:
        mend = "redis-cli CONFIG SET appendonly yes, and `appendonly yes` in its configuration"
        yield Finding.error("redis aof", "what was pushed is lost when Redis restarts", mend)
    elif info["aof_last_write_status"] != "ok":
        yield Finding.error("redis aof", "Redis cannot write its file", "free some space on its disk")
    else:
        yield Finding.ok("redis aof", "every change is written down")
    policy, limit, used = info["maxmemory_policy"], int(str(info["maxmemory"])), int(str(info["used_memory"]))
    if limit and policy != "noeviction":
        mend = "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in its configuration"
        yield Finding.error("redis memory", f"{policy} drops records when memory is short", mend)
    elif limit and used > _FULL * limit:
        yield Finding.warning(
            "redis memory", f"{used / limit:.0%} of maxmemory is used", "raise maxmemory, or lower keep_days"
        )
    else:
        yield Finding.ok("redis memory", f"{used / (1 << 20):.0f} MiB used, nothing is dropped")


def registry(settings: Settings) -> Iterator[Finding]:
    """Ask the registry as the farm does; whether the engine gets there is another question."""
    address = root(settings.registry, plain=settings.registry_plain)
    try:
        answer = probe(settings.registry, plain=settings.registry_plain, login=settings.registry_login)
    except FarmError as error:
        words, _, mend = str(error).rpartition("; ")
        yield Finding.error("registry", words, mend)
        return
    except httpx.HTTPError as error:
        yield Finding.error(
            "registry", f"{address} does not answer: {error}", f"start it, and open {settings.registry}"
        )
        return
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        known = settings.registry in settings.registries
        words = f"{settings.registry} refuses this machine's login" if known else f"{settings.registry} wants a login"
        yield Finding.error(
            "registry", words, f"give `registries` in farm.yml user and password for {settings.registry}"
        )
    elif answer.status_code != httpx.codes.OK:
        yield Finding.error(
            "registry", f"{address} answers {answer.status_code}", "see that FARM_REGISTRY names a registry"
        )
    else:
        yield Finding.ok("registry", f"{settings.registry} answers")


def dispatcher(settings: Settings) -> Iterator[Finding]:
    """Ask the dispatcher with the farm's own token."""
    try:
        with Client(settings.url, settings.token) as client:
            config = client.config()
    except FarmError as error:
        words, _, mend = str(error).partition("; ")
        yield Finding.error("dispatcher", words, mend or "farm up; its log is FARM_HOME/logs/dispatcher.log")
    else:
        yield Finding.ok("dispatcher", f"{settings.url} answers")
        yield from taken(config)


def taken(config: Mapping[str, Any]) -> Iterator[Finding]:
    """See whether the dispatcher runs with what its file says."""
    if trouble := config.get("artifacts"):
        words, _, mend = str(trouble).rpartition("; ")
        yield Finding.error("artifacts", words, f"{mend}, give the dispatcher what that place needs, and start it anew")
    if config["problem"]:
        words = f"the dispatcher goes on with the settings of before: {str(config['problem']).splitlines()[0]}"
        yield Finding.error("config", words, f"farm config check, and mend {config['file']}")
    elif config["waiting"]:
        words = f"the dispatcher has not taken over {', '.join(config['waiting'])} from {config['file']}"
        yield Finding.warning("config", words, "start it anew: farm up --stop, then farm up; or systemctl restart farm")


def flower(settings: Settings) -> Iterator[Finding]:
    """See whether the pages are there."""
    address = f"{settings.web_url}/pipelines"
    try:
        code = httpx.get(address, timeout=5, trust_env=False).status_code
    except httpx.HTTPError as error:
        yield Finding.warning(
            "flower", f"{address} does not answer: {error}", "farm up; its log is FARM_HOME/logs/flower.log"
        )
        return
    if code in (httpx.codes.OK, httpx.codes.UNAUTHORIZED, httpx.codes.SERVICE_UNAVAILABLE):  # Redis has its own line
        yield Finding.ok("flower", f"{address} answers")
    else:
        yield Finding.warning("flower", f"{address} answers {code}", "see FARM_HOME/logs/flower.log")


def sealed(settings: Settings, client: redis.Redis) -> Iterator[Finding]:
    """See whether this machine has the keys that open all secrets; without any secret nothing is said."""
    count, foreign = Secrets(client, settings.secret_keys).counted()
    if foreign:
        mend = "copy join.env of the farm here and `farm join` again, or set FARM_SECRET_KEYS"
        yield Finding.error("secrets", f"no key here opens {foreign} of {count}", mend)
    elif count:
        yield Finding.ok("secrets", f"{count}, each opened by a key that is here")


def worker(settings: Settings, record: Record) -> Iterator[Finding]:
    """See whether this machine's own worker is heard of."""
    here = [worker for worker in record.workers() if worker.host == socket.gethostname()]
    for worker in here:
        if worker.closed:
            mend = f"farm workers drain {worker.name} --undo" if worker.drained else "see the other lines here"
            yield Finding.warning("worker", f"{worker.name} {worker.closed}", mend)
        else:
            yield Finding.ok("worker", f"{worker.name} takes work")
    if not here:
        mend = "systemctl enable --now farm-worker, or run `farm worker`"
        yield Finding.error("worker", f"{settings.worker_name} has not been heard of for 30 s", mend)


def elsewhere(record: Record, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Pass on what is found of this machine's engine, not as an error where other machines alone do the work."""
    workers = record.workers()
    spare = bool(workers) and all(worker.host != socket.gethostname() for worker in workers)
    for finding in findings:
        if spare and finding.verdict == "error":
            words = f"{finding.words}; no worker of this machine is heard of, so it counts only for one that is to be"
            yield Finding.warning(finding.name, words, str(finding.mend))
        else:
            yield finding


def queues(record: Record) -> Iterator[Finding]:
    """Name the queues with work that nobody serves."""
    workers, unserved = record.workers(), [queue for queue in record.queues() if queue.depth and not queue.consumers]
    for worker in workers:
        if worker.closed:
            mend = f"farm workers drain {worker.name} --undo" if worker.drained else f"farm doctor, on {worker.host}"
            yield Finding.warning("queues", f"{worker.name} {worker.closed}", mend)
    if not workers:
        yield Finding.error(
            "queues", "no worker is heard of", "run `farm worker` on a build machine, or `farm up` here"
        )
    for queue in unserved if workers else ():
        serving = [worker.name for worker in workers if queue.name in worker.queues]
        labels = queue.name.partition("+")[2].replace("+", ",")
        mend = f"farm worker --labels {labels}" if labels else "farm worker"
        if serving:
            mend = f"see the line of {serving[0]}"
        count = "1 step waits" if queue.depth == 1 else f"{queue.depth} steps wait"
        yield Finding.error("queues", f"{count} in `{queue.name}`, from which no worker takes", mend)
    if workers and not unserved:
        yield Finding.ok("queues", f"served by {', '.join(worker.name for worker in workers)}")
