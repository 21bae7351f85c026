"""Tokens with scopes: what each opens and what stays shut, on every route that there is."""

from typing import Any

import pytest

from farm.access import Scope
from tests.integration.api.conftest import HOOK, OWN, Served
from tests.records import CHAIN

pytestmark = pytest.mark.redis

OPEN = {
    "GET /health",
    "GET /badge/{repository_and_branch}.svg",
    "POST /webhooks/{forge}",
}  # a webhook brings its own signature
GIVEN = {"push", "read", "act"}
# What would be asked of another repository, or of the whole farm, on each route; a path's words are filled in.
GRANTED = {"PUT /artifacts"}  # no token opens it, but the record's word for one attempt at a step
BODIES: dict[str, Any] = {
    "POST /pushes": {"repository": "thyme", "updates": []},
    "POST /pipelines": {"repository": "thyme"},
    "POST /releases/rollback": {"repository": "thyme"},
}
LISTS = {"GET /repositories"}  # answer what the token may see


def operations(served: Served) -> dict[str, list[str]]:
    """Return the scopes that the description documents for each route."""
    found = {}
    for path, methods in served.api.openapi()["paths"].items():
        for method, operation in methods.items():
            needed = operation.get("security", [])
            found[f"{method.upper()} {path}"] = [scope for each in needed for scope in each["HTTPBearer"]]
    return found


def path_of(operation: str, number: int) -> tuple[str, str]:
    method, path = operation.split()
    words = {"{number}": str(number), "{step}": "build", "{name}": "thyme", "{repository}": "thyme", "{branch}": "main"}
    for word, value in words.items():
        path = path.replace(word, value)
    return method, path


def test_every_route_refuses_who_lacks_its_scope(served: Served) -> None:
    number = served.farm.open()
    for operation, needed in operations(served).items():
        method, path = path_of(operation, number)
        if operation in GRANTED:
            continue
        if operation in OPEN:
            assert needed == []
            continue
        assert len(needed) == 1, f"{operation} documents no scope"
        without = served.token(f"without-{len(served.access.tokens())}", sorted(GIVEN - set(needed)))
        for token, status in ((None, 401), ("unknown", 401), (without, 403)):
            answer = served.ask(method, path, token)
            assert answer.status_code == status, (operation, answer.text)
            assert set(answer.json()) == {"detail"}
        assert f"scope {needed[0]}" in answer.json()["detail"]
    assert served.farm.status(number) == "pending"


def test_every_route_refuses_a_token_of_another_repository(served: Served) -> None:
    number = served.farm.open()
    token = served.token("sage", sorted(GIVEN), "sage")
    for operation, needed in operations(served).items():
        if operation in OPEN | LISTS | GRANTED or needed == ["admin"]:
            continue
        method, path = path_of(operation, number)
        body = BODIES.get(operation, {})
        answer = served.ask(method, path, token, **({"json": body} if method == "POST" else {}))
        assert answer.status_code == 403, (operation, answer.text)
        assert "good for 'sage' alone" in answer.json()["detail"]
    assert [each["name"] for each in served.get("/repositories", token).json()] == ["sage"]
    assert served.get("/pipelines?repository=sage", token).json() == []
    assert served.get("/releases?repository=sage", token).json() == []


def test_the_owner_of_an_image_moves_its_tags_whatever_its_name_is(served: Served) -> None:
    farm = served.farm
    for old, new in (("-", "a"), ("a", "b")):
        (entry,) = farm.ledger.enter("sage", [farm.push(old, new, repository="sage")])
        farm.record.open(entry.number, definition="{}", steps=CHAIN, image_repository="thyme")
        farm.release(entry.number)
    tokens = {name: served.token(name, ["act"], name) for name in ("thyme", "sage")}
    for name, image, status in (("thyme", "thyme", 403), ("thyme", "sage", 403), ("sage", "thyme", 200)):
        answer = served.ask("POST", "/releases/rollback", tokens[name], json={"repository": image})
        assert answer.status_code == status, (name, image, answer.text)
    (tag,) = served.get("/releases?limit=0").json()
    assert (tag["repository"], tag["image"], tag["history"]) == ("sage", "thyme", [])


def test_a_hook_pushes_and_reads_and_does_not_act(served: Served) -> None:
    number = served.farm.open()
    assert served.get(f"/pipelines/{number}", HOOK).status_code == 200
    assert served.ask("POST", "/pushes", HOOK, json=BODIES["POST /pushes"]).status_code == 200
    assert served.ask("POST", f"/pipelines/{number}/cancel", HOOK, json={"who": "jo"}).status_code == 403
    assert served.ask("POST", "/pushes", HOOK, json={"repository": "sage", "updates": []}).status_code == 403


def test_what_a_token_does_is_recorded_under_its_name(served: Served) -> None:
    first, second = served.farm.open("-", "a"), served.farm.open("a", "b")
    served.ask("POST", f"/pipelines/{first}/cancel", served.token("nightly", ["act"]), json={"who": "eve"})
    served.ask("POST", f"/pipelines/{second}/cancel", OWN, json={"who": "ada"})
    assert served.farm.record.pipeline(first).reason == "canceled by nightly"
    assert served.farm.record.pipeline(second).reason == "canceled by ada"


def test_figures_are_for_whoever_reads_all(served: Served) -> None:
    answer = served.get("/metrics", served.token("prometheus", ["read"]))
    assert "farm_workers 0.0" in answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert served.get("/metrics", HOOK).status_code == 403


def test_a_password_in_a_url_is_for_the_farm_alone(served: Served) -> None:
    (sage, _) = served.get("/repositories", served.token("list", ["read"])).json()
    assert sage["url"] == "https://git.example/sage.git"
    assert served.get("/repositories").json()[0]["url"] == "https://jo:word@git.example/sage.git"


def test_a_token_is_shown_once_and_kept_as_a_hash(served: Served) -> None:
    made = served.ask("POST", "/tokens", json={"name": "ci", "scopes": ["read"], "lasts": 3600, "who": "ada"}).json()
    assert (made["name"], made["scopes"], made["repository"], made["who"]) == ("ci", ["read"], None, "ada")
    assert made["expires"] == pytest.approx(made["created"] + 3600, abs=2)
    keys = served.farm.redis.keys("farm:token*")
    kept = [served.farm.redis.hgetall(key) for key in keys]
    assert made["token"] not in str(kept) + str(keys)
    (listed,) = served.get("/tokens").json()
    assert listed == {key: value for key, value in made.items() if key != "token"}
    assert served.get("/pipelines", made["token"]).status_code == 200
    assert served.ask("DELETE", "/tokens/ci").status_code == 200
    assert served.get("/pipelines", made["token"]).status_code == 401
    assert served.ask("DELETE", "/tokens/ci").status_code == 404


def test_a_token_that_has_ended(served: Served) -> None:
    token = served.access.create("old", [Scope.READ], repository=None, lasts=0, who="jo")
    answer = served.get("/pipelines", token)
    assert (answer.status_code, "old has ended" in answer.json()["detail"]) == (401, True)
    assert [each.name for each in served.access.tokens()] == ["old"]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"name": "a b", "scopes": ["read"]}, "no name for a token"),
        ({"name": "ci", "scopes": ["admin"]}, "push, read, act"),
        ({"name": "ci", "scopes": ["write"]}, "scopes.0"),
        ({"name": "ci", "scopes": ["read"], "repository": "mint"}, "no repository 'mint'"),
        ({"name": "taken", "scopes": ["read"]}, "there is a token taken already"),
    ],
)
def test_what_is_no_token(served: Served, wish: dict[str, Any], words: str) -> None:
    served.token("taken", ["read"])
    answer = served.ask("POST", "/tokens", json=wish)
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text
