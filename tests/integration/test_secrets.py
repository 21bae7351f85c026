"""Secrets over a real Redis: sealed, bound to their place, given by the rule, and sealed anew by another key."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from farm.errors import Errored, Failed, Refused
from farm.home import new_key
from farm.secrets import LONGEST, Secrets, text

pytestmark = pytest.mark.redis

VALUE = "correct horse battery staple"
MAIN, SIDE = "refs/heads/main", "refs/heads/side"
KEY = new_key()


@pytest.fixture
def secrets(redis_client: Any) -> Iterator[Secrets]:
    return Secrets(redis_client, [KEY])


def everything(client: Any) -> str:
    """Return all that Redis holds."""
    kept = {key: client.hgetall(key) for key in client.scan_iter()}
    return json.dumps(kept)


def test_a_value_comes_back_to_who_may_have_it_and_redis_holds_nothing_of_it(secrets, redis_client):
    secrets.set("thyme", "TOKEN", VALUE, unprotected=False, who="ada")
    assert secrets.given("thyme", ["TOKEN"], MAIN, protected=True) == {"TOKEN": VALUE}
    held = everything(redis_client)
    assert VALUE not in held
    assert "horse" not in held
    assert KEY not in held
    [seen] = secrets.list("thyme")
    assert (seen.name, seen.unprotected, seen.who) == ("TOKEN", False, "ada")
    assert secrets.names("thyme") == {"TOKEN"}
    assert secrets.names("other") == frozenset()


def test_the_same_value_is_sealed_differently_each_time(secrets, redis_client):
    for name in ("A", "B"):
        secrets.set("thyme", name, VALUE, unprotected=False, who="ada")
    sealed = [json.loads(each)["sealed"] for each in redis_client.hgetall("farm:secrets:thyme").values()]
    assert len(set(sealed)) == 2


def test_only_protected_refs_are_given_a_secret_unless_it_was_said_otherwise(secrets):
    secrets.set("thyme", "TOKEN", VALUE, unprotected=False, who="ada")
    with pytest.raises(Failed, match="TOKEN is only given on protected refs, and side is none"):
        secrets.given("thyme", ["TOKEN"], SIDE, protected=False)
    secrets.set("thyme", "TOKEN", VALUE, unprotected=True, who="ada")
    assert secrets.given("thyme", ["TOKEN"], SIDE, protected=False) == {"TOKEN": VALUE}


def test_what_is_moved_or_changed_in_redis_is_not_opened(secrets, redis_client):
    secrets.set("thyme", "TOKEN", VALUE, unprotected=False, who="ada")
    kept = redis_client.hget("farm:secrets:thyme", "TOKEN")
    redis_client.hset("farm:secrets:thyme", "OTHER", kept)
    redis_client.hset("farm:secrets:mint", "TOKEN", kept)
    redis_client.hset("farm:secrets:thyme", "OPEN", json.dumps(json.loads(kept) | {"unprotected": True}))
    redis_client.hset("farm:secrets:thyme", "TOKEN", json.dumps(json.loads(kept) | {"unprotected": True}))
    for repository, name in (("thyme", "OTHER"), ("mint", "TOKEN"), ("thyme", "OPEN"), ("thyme", "TOKEN")):
        with pytest.raises(Errored, match=f"the secret {name} of {repository} was changed in Redis"):
            secrets.given(repository, [name], SIDE, protected=False)


def test_there_is_no_such_secret(secrets):
    with pytest.raises(Failed, match="thyme has no secret TOKEN; `farm secret set thyme TOKEN`"):
        secrets.given("thyme", ["TOKEN"], MAIN, protected=True)
    with pytest.raises(Refused, match="thyme has no secret TOKEN"):
        secrets.remove("thyme", "TOKEN")
    secrets.set("thyme", "TOKEN", VALUE, unprotected=False, who="ada")
    secrets.remove("thyme", "TOKEN")
    assert secrets.list("thyme") == []


def test_a_machine_without_the_key_says_so(secrets, redis_client):
    secrets.set("thyme", "TOKEN", VALUE, unprotected=False, who="ada")
    for keys in ([], [new_key()]):
        with pytest.raises(Errored, match="no key on this machine opens the secret TOKEN of thyme"):
            Secrets(redis_client, keys).given("thyme", ["TOKEN"], MAIN, protected=True)
        assert Secrets(redis_client, keys).counted() == (1, 1)
    assert secrets.counted() == (1, 0)
    with pytest.raises(Refused, match="the farm has no key for secrets"):
        Secrets(redis_client).set("thyme", "TOKEN", VALUE, unprotected=False, who="ada")


def test_another_key_takes_over_without_a_moment_in_which_a_secret_cannot_be_opened(secrets, redis_client):
    young = new_key()
    both, alone = Secrets(redis_client, [young, KEY]), Secrets(redis_client, [young])
    secrets.set("thyme", "TOKEN", VALUE, unprotected=True, who="ada")
    secrets.set("sub/mint", "TOKEN", VALUE[::-1], unprotected=False, who="bo")
    both.set("thyme", "YOUNG", VALUE, unprotected=False, who="ada")
    before = secrets.list("thyme")
    assert both.given("thyme", ["TOKEN", "YOUNG"], MAIN, protected=True) == {"TOKEN": VALUE, "YOUNG": VALUE}
    assert both.reseal() == 2
    assert alone.given("thyme", ["TOKEN", "YOUNG"], MAIN, protected=True) == {"TOKEN": VALUE, "YOUNG": VALUE}
    assert alone.given("sub/mint", ["TOKEN"], MAIN, protected=True) == {"TOKEN": VALUE[::-1]}
    assert both.reseal() == 0
    assert alone.list("thyme") == before
    with pytest.raises(Errored, match="no key on this machine"):
        secrets.given("thyme", ["TOKEN"], MAIN, protected=True)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("1ST", VALUE, "no name of a secret"),
        ("A-B", VALUE, "no name of a secret"),
        ("", VALUE, "no name of a secret"),
        ("FARM_TOKEN", VALUE, "without FARM_"),
        ("TOKEN", "abc", "fewer than 4 characters"),
        ("TOKEN", "", "fewer than 4 characters"),
        ("TOKEN", "x" * (LONGEST + 1), "longer than 64 KiB"),
        ("TOKEN", "abc\0def", "no UTF-8 text"),
        ("TOKEN", "abcd\ud800", "no UTF-8 text"),
    ],
)
def test_what_cannot_be_a_secret_is_refused(secrets, name, value, words):
    with pytest.raises(Refused, match=words):
        secrets.set("thyme", name, value, unprotected=False, who="ada")
    assert secrets.list("thyme") == []


def test_the_end_of_a_single_line_is_no_part_of_it():
    assert text(b"hunter22\n") == text(b"hunter22\r\n") == text(b"hunter22") == "hunter22"
    assert text(b"one\ntwo\n") == "one\ntwo\n"
    with pytest.raises(Refused, match="UTF-8 text"):
        text(b"\xff\xfe")
