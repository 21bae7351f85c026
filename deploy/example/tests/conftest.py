import os

import pytest

from thyme import create_app
from thyme.rota import Rota
from thyme.store import connect


@pytest.fixture
def url(tmp_path):
    url = os.environ.get("DATABASE_URL")
    if not url:
        yield f"sqlite:{tmp_path}/thyme.db"
        return
    yield url
    store = connect(url)
    with store.transaction():
        store.all("DROP TABLE signups, shifts, people")
    store.close()


@pytest.fixture
def client(url):
    return create_app(url).test_client()


@pytest.fixture
def rota(client, url):
    store = connect(url)
    with store.transaction():
        for table in ("signups", "shifts", "people"):
            store.all(f"DELETE FROM {table}")
    yield Rota(store)
    store.close()
