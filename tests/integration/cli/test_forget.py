"""`farm forget`: a repository is registered no more, and registered again its `latest` has not gone back."""

import pytest

from farm.access import Scope
from farm.errors import Refused
from farm.pipeline import Status
from farm.secrets import Secrets
from tests.integration.cli.conftest import on_terminal
from tests.records import MAIN, oid

pytestmark = pytest.mark.redis

STAYS = {
    "farm:pipelines:thyme",
    f"farm:pipelines:thyme:{MAIN}",
    f"farm:ref:thyme:{MAIN}",
    f"farm:occurrences:thyme:{MAIN}",
    "farm:tag:thyme:latest",
    "farm:releases:thyme:latest",
    "farm:images:thyme",
}


def test_a_repository_is_forgotten_and_registered_again(cli, farm):
    first, second = farm.open("-", "a"), farm.open("a", "b")
    farm.release(second)
    farm.pass_step(first, "build")
    Secrets(farm.redis, ("0" * 64,)).set("thyme", "KEY", "value", unprotected=False, who="jo")
    mine = cli.service.access.create("deploy", [Scope.READ], repository="thyme", lasts=None, who="jo")
    cli.service.access.create("all", [Scope.READ], repository=None, lasts=None, who="jo")
    for key in ("coverage", "slack", "email", "tests"):
        farm.redis.hset(f"farm:{key}:thyme:{MAIN}", "test", "{}")
    farm.redis.zadd("farm:tests", {f"farm:tests:thyme:{MAIN}": 1})

    refused = cli("forget", "thyme", "--yes")
    assert (refused.code, refused.err) == (
        2,
        f"error: #{first} of thyme is not over yet; cancel it or wait, then forget thyme\n",
    )
    farm.record.cancel(first, "jo")
    (pushed,) = farm.enter(farm.push("b", "c"))
    assert f"#{pushed} of thyme is not over yet" in cli("forget", "thyme", "--yes").err
    farm.record.close(pushed, Status.SKIPPED, "farm.skip")

    ran = cli("forget", "thyme", "--yes", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.document == {"name": "thyme", "url": "file:///srv/thyme.git", "hook": False, "tokens": ["deploy"]}
    assert set(farm.redis.keys("*:thyme*")) == STAYS
    assert farm.redis.zcard("farm:tests") == 0
    assert farm.ledger.repositories() == []
    with pytest.raises(Refused, match="does not know this token"):
        cli.service.access.holder(mine)
    assert [each.name for each in cli.service.access.tokens()] == ["all"]
    with pytest.raises(Refused, match="no repository 'thyme' is registered"):
        farm.enter(farm.push("c", "d"))
    assert cli("retry", first).err == (
        f"error: the repository of #{first} is registered no more; register it again: farm register\n"
    )
    again = cli("forget", "thyme", "--yes")
    assert (again.code, "no repository 'thyme' is registered" in again.err) == (2, True)
    assert [each["number"] for each in cli("list", "--json").document] == [pushed, second, first]

    farm.ledger.register("thyme", "file:///srv/thyme.git", "main", {MAIN: oid("c")})
    assert farm.ledger.baseline("thyme") == {MAIN: oid("c")}
    farm.record.retry(first, "jo")
    farm.pass_step(first, "test")
    claim = farm.claim(first, "release")
    assert not farm.record.release_begin(claim, "latest").go
    third = farm.open("c", "d")
    farm.release(third)
    assert farm.redis.hget("farm:tag:thyme:latest", "number") == str(third)
    assert farm.order() == [first, second, pushed, third]


def test_forgetting_is_an_act_in_the_repository(cli, farm):
    farm.ledger.register("sage", "file:///srv/sage.git", "main", {}, "hash")
    for name, scopes, code in (("reads", [Scope.READ], 2), ("acts", [Scope.ACT], 0)):
        cli.more["FARM_TOKEN"] = cli.service.access.create(name, scopes, repository="thyme", lasts=None, who="jo")
        assert cli("forget", "sage", "--yes").code == 2
        assert cli("forget", "thyme", "--yes").code == code
    cli.more.clear()
    ran = cli("forget", "sage", "--yes")
    assert ran.out == (
        "farm: sage is registered no more; what it released stays\n"
        "farm: its hook still reports, and is refused; where file:///srv/sage.git is: farm hook remove REPO.git\n"
    )


def test_forgetting_is_meant(cli, farm):
    Secrets(farm.redis, ("0" * 64,)).set("thyme", "KEY", "value", unprotected=False, who="jo")
    refused = cli("forget", "thyme")
    assert (refused.code, "farm forget thyme --yes" in refused.err) == (2, True)
    assert "no repository 'sage' is registered" in cli("forget", "sage").err
    for word, left in ((b"\n", ["thyme"]), (b"y\n", [])):
        code, drawn = on_terminal(cli, ("forget", "thyme"), typed=word)
        assert "its secrets (KEY) and its tokens are gone for good" in " ".join(drawn.split())
        assert (code == 0, [each.name for each in farm.ledger.repositories()]) == (not left, left)
