"""The real API over a real record, served on a port, and a word for asking it with any token."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from farm.access import Access, Scope, hashed
from farm.api import Service, create
from farm.artifacts import Store
from farm.dispatch import Dispatcher
from farm.garbage import Garbage
from farm.intake import Intake
from farm.registry import Registry
from farm.remotes import Remotes
from farm.settings import Settings
from farm.webhooks import Webhooks
from tests.records import Farm

OWN = "the-farms-own"
HOOK = "a-hook-of-thyme"


@dataclass(frozen=True)
class Served:
    """An API, the record behind it, and its address."""

    api: FastAPI
    farm: Farm
    access: Access
    url: str
    http: httpx.Client

    def ask(self, method: str, path: str, token: str | None = OWN, **more: Any) -> httpx.Response:
        headers = ({"Authorization": f"Bearer {token}"} if token else {}) | more.pop("headers", {})
        return self.http.request(method, path, headers=headers, **more)

    def get(self, path: str, token: str | None = OWN, **more: Any) -> httpx.Response:
        return self.ask("GET", path, token, **more)

    def token(self, name: str, scopes: Sequence[str], repository: str | None = None) -> str:
        given = [Scope(scope) for scope in scopes]
        return self.access.create(name, given, repository=repository, lasts=None, who="jo")


@pytest.fixture
def farm(redis_client: Any) -> Iterator[Farm]:
    """Record, ledger and logs, with repositories `thyme`, which has a hook, and `sage`."""
    farm = Farm(redis_client)
    farm.ledger.register("thyme", "file:///srv/thyme.git", "main", {}, hashed(HOOK))
    farm.ledger.register("sage", "https://jo:word@git.example/sage.git", "main", {})
    yield farm
    farm.logs.close()


@pytest.fixture
def served(
    farm: Farm, redis_server: Any, tmp_path: Path, ports: Callable[[int], Sequence[int]], poll: Any
) -> Iterator[Served]:
    """The API over that record."""
    url = f"http://127.0.0.1:{ports(1)[0]}"
    settings = Settings(home=tmp_path, url=url, redis_url=redis_server.url, token=OWN, web_url="http://farm.example")
    intake = Intake(Dispatcher(farm.record, farm.ledger, settings, publish=lambda *_: None))
    images, access = Registry("127.0.0.1:9"), Access(OWN, farm.ledger)
    garbage, remotes = Garbage(farm.record, images, "0" * 12, keep=1), Remotes(farm.ledger, intake, 0)
    api = create(
        Service(
            settings,
            farm.record,
            farm.ledger,
            farm.logs,
            intake,
            access,
            garbage,
            remotes,
            Webhooks(farm.ledger, intake),
            Store(settings.artifacts_url),
        )
    )
    port = int(url.rpartition(":")[2])
    server = uvicorn.Server(
        uvicorn.Config(api, port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    poll(lambda: server.started)
    with httpx.Client(base_url=url, timeout=30) as http:
        yield Served(api, farm, access, url, http)
    server.should_exit = True
    thread.join()
    intake.close()
    images.close()
