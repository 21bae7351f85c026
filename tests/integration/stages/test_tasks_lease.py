"""A lease against a real record: it is kept, it is lost, and Redis may go away for a while."""

import threading
import time
import uuid

import pytest
import redis

from farm.decision import steps
from farm.definition import Definition
from farm.errors import Canceled, LeaseLost
from farm.ledger import Ledger
from farm.push import ZERO, Push
from farm.record import Claim, Record
from workers.lease import Lease, Stopped, stop_all

pytestmark = pytest.mark.redis
LEASE = 1.6


@pytest.fixture
def record(redis_server):
    client = redis.Redis.from_url(redis_server.url, decode_responses=True, socket_timeout=LEASE / 4)
    yield Record(client, LEASE)
    client.close()


@pytest.fixture
def claim(record) -> Claim:
    ledger = Ledger(record.redis)
    ledger.register("thyme", "/srv/thyme.git", "main", {})
    [entry] = ledger.enter("thyme", [Push(str(uuid.uuid4()), "thyme", "refs/heads/main", ZERO, "1" * 40)])
    definition = Definition()
    record.open(
        entry.number,
        definition=definition.model_dump_json(),
        steps=steps(definition, release=False),
        image_repository="t",
    )
    return record.claim(entry.number, "build", "w1@here")


def test_a_lease_is_kept_beyond_its_length(record, claim, poll):
    with Lease(record, claim) as lease:
        poll(lambda: time.monotonic() > claim.lease_until + LEASE)
        lease.check()
        lease.guard()
        assert record.reap() == []
        assert not record.claim(claim.number, "build", "w2@here").go


def test_a_cancel_is_seen(record, claim, poll):
    with Lease(record, claim) as lease:
        record.cancel(claim.number, "me")
        poll(lambda: raises(lease.check, Canceled))
        with pytest.raises(Canceled):
            lease.guard()


def test_a_takeover_is_seen(record, claim, redis_server, poll):
    redis_server.freeze()
    with Lease(record, claim) as lease:
        lease.check()
        poll(lambda: time.monotonic() > claim.lease_until)
        lease.check()  # Redis is away: go on
        redis_server.thaw()
        with redis.Redis.from_url(redis_server.url) as another:
            another.hset(f"farm:pipeline:{claim.number}:step:build", "fence", 999)
        poll(lambda: raises(lease.check, LeaseLost))
        with pytest.raises(LeaseLost):
            lease.guard()


def test_an_outside_effect_waits_until_redis_is_back(record, claim, redis_server, poll):
    redis_server.freeze()
    with Lease(record, claim) as lease:
        poll(lambda: time.monotonic() > claim.lease_until)
        done = threading.Event()
        waiting = threading.Thread(target=lambda: (lease.guard(), done.set()))
        waiting.start()
        assert not done.wait(LEASE / 4)
        redis_server.thaw()
        assert done.wait(60)
        waiting.join()


def test_a_worker_that_shuts_down_stops_its_work(record, claim, monkeypatch):
    monkeypatch.setattr("workers.lease._ending", False)
    assert stop_all() is False
    with Lease(record, claim) as lease:
        assert stop_all() is True
        with pytest.raises(Stopped):
            lease.check()
        with pytest.raises(Stopped):
            lease.guard()
    assert stop_all() is False


def raises(call, error) -> bool:
    try:
        call()
    except error:
        return True
    return False
