"""The Lua scripts of farm/lua, registered once per connection pool. It knows nothing about what they mean.

Each script is sent by its digest, one round trip a call; what is shared (counts.lua, prelude.lua) is put in front of
every one. Its first line tells Redis (7 or newer) what it does when memory is full: refused before it begins, so that
nothing is ever half done; only what ends work or keeps it alive (`allow-oom`) goes on.
"""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from farm import clock

if TYPE_CHECKING:
    import redis

# What some scripts share beside the prelude: part -> scripts.
SHARED = {
    "intent": (
        *("release_begin", "release_done", "intents", "checked", "rollback", "releases", "drifted"),
        *("commit", "retry", "discard", "images", "restore"),
    ),
    "hooks": ("register", "forget_repository", "hook_owner"),
    "gate": ("beat", "claim", "commit", "drain", "give_back", "workers"),
}


@cache
def source(name: str) -> str:
    """Return the text of a script with the prelude in front."""
    folder = files("farm") / "lua"
    parts = ["counts", "prelude", *(part for part, scripts in SHARED.items() if name in scripts), name]
    *shared, script = ((folder / f"{part}.lua").read_text() for part in parts)
    flags, _, body = script.partition("\n")
    return "\n".join((flags, *shared, body))


class Scripts:
    """Runs scripts by name on one Redis; redis-py loads one again when a restarted server has forgotten it."""

    def __init__(self, client: "redis.Redis") -> None:
        self.redis = client
        self._registered: dict[str, Any] = {}

    def run(self, script: str, *arguments: Any) -> Any:
        """Call a script; its keys are made inside from the arguments, for a farm has one Redis and no cluster."""
        registered = self._registered.get(script)
        if registered is None:
            registered = self._registered[script] = self.redis.register_script(source(script))
        return registered(args=arguments)


class Base:
    """What all parts of the record share: the connection and the length of a lease in seconds."""

    def __init__(self, client: "redis.Redis", lease: float = 9.0) -> None:
        self.redis: Any = client
        self.lease = lease
        self.scripts = Scripts(client)

    def now(self) -> float:
        """Return the time by Redis's clock, which all machines share."""
        return clock.now(self.redis)
