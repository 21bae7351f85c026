"""Whether the parts of one machine are ready. It asks each of them once and waits for none."""

from collections.abc import Mapping
from contextlib import closing

import httpx
import redis

from farm.settings import Settings


def missing(settings: Settings, since: float, *, worker: bool = True) -> Mapping[str, str]:
    """Return the parts that are not ready, by the name in the Procfile, each with what it does not do yet.

    The worker counts as ready when it has reported after `since` (Unix seconds).
    """
    found: dict[str, str] = {}
    try:
        with closing(redis.Redis.from_url(settings.redis_url, decode_responses=True)) as client:
            seen = client.zscore("farm:workers", settings.worker_name)
    except redis.RedisError:
        found["redis"] = "it does not answer"
        seen = None
    for part, address in (
        ("registry", f"http://{settings.registry}/v2/"),
        ("dispatcher", f"{settings.url}/health"),
        ("flower", f"{settings.web_url}/pipelines"),
    ):
        try:
            answer = httpx.get(address, timeout=2, trust_env=False)
        except httpx.HTTPError:
            found[part] = f"{address} does not answer"
        else:
            if answer.status_code not in (httpx.codes.OK, httpx.codes.UNAUTHORIZED):  # it asks for a password
                found[part] = f"{address} answers {answer.status_code}"
    if worker and (seen is None or float(seen) < since):
        found["worker"] = "it has not reported to Redis"
    return found
