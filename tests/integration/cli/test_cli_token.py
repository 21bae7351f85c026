"""`farm token create`, `list` and `remove` against the real API."""

import re

import pytest

pytestmark = pytest.mark.redis


def test_a_token_from_its_making_to_its_end(cli):
    assert "farm token create" in cli("token", "list").err
    made = cli(
        "token", "create", "ci", "--scope", "read", "--scope", "act", "--repository", "thyme", "--expires", "30d"
    )
    assert made.code == 0
    token = made.out.strip()
    assert token.startswith("farm-token-")
    assert "ci may read act in thyme" in made.err
    assert re.match(r"ci  read act in thyme  for (30 d|29 d 23 h) more  given by ", cli("token", "list").out)
    assert cli("token", "list", "--json").document[0]["repository"] == "thyme"
    cli.more["FARM_TOKEN"] = token
    assert cli("list", "--all", "--repository", "thyme").code == 0
    refused = cli("token", "list")
    assert (refused.code, "scope admin" in refused.err) == (2, True)
    del cli.more["FARM_TOKEN"]
    assert "worth nothing" in cli("token", "remove", "ci").out
    assert cli("token", "remove", "ci").code == 2


@pytest.mark.parametrize("expires", ["30", "0d", "1 week", "-1d"])
def test_what_is_no_length_of_time(cli, expires):
    ran = cli("token", "create", "ci", "--scope", "read", f"--expires={expires}")
    assert (ran.code, "12h or 30d" in ran.err) == (2, True)
