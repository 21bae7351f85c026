"""The settings that hold while farm.yml changes: a good file is taken over at once, a bad one changes nothing.

It only reads; whoever uses the settings exchanges them.
"""

from dataclasses import dataclass, field
from time import time
from typing import Any

import structlog

from farm.errors import Refused
from farm.settings.settings import Settings
from farm.settings.sources import own_file
from farm.settings.watch import Watch

LOOK = 1.0  # seconds between two looks at the file; it counts when it was the same twice

# What other parts have been told already, so that it counts from the next start on: of the dispatcher, and of workers.
AT_START = frozenset(
    (
        *("farm_id", "redis_url", "registry", "registry_plain", "url", "web_url", "token", "lease"),
        *("log_head", "log_tail", "log_budget", "artifacts"),
    )
)
OF_WORKERS = frozenset(("worker_name", "slots", "labels", "disk_min", "mirrors_max", "build_cache_max"))
# What a worker takes over between two steps, from the farm.yml of its own machine.
BETWEEN_STEPS = frozenset(("memory", "cpus", "pids", "artifact_max", "registries", "repositories", "secret_keys"))

log = structlog.get_logger()


@dataclass(slots=True)
class Live:
    """What holds, since when, and what is wrong with the file or has to wait for a new start."""

    settings: Settings
    since: float = field(default_factory=time)
    problem: str | None = None
    waiting: tuple[str, ...] = ()
    """Settings of the dispatcher that the file has otherwise, but that only a new start takes over."""
    _watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self._watch = Watch(self.settings.home)

    def look(self) -> Settings | None:
        """Return the new settings if the file was changed to good ones, else None; a bad file is logged once."""
        if not self._watch.changed():
            return None
        try:
            loaded = Settings.load(self.settings.home)
        except Refused as refusal:
            self.problem = str(refusal)
            log.warning("settings.refused", error=self.problem, mend="the settings of before hold; farm config check")
            return None
        changed = {name for name in Settings.model_fields if getattr(loaded, name) != getattr(self.settings, name)}
        kept = {name: getattr(self.settings, name) for name in changed & AT_START}
        self.problem, self.waiting, self.since = None, tuple(sorted(kept)), time()
        self.settings = loaded.model_copy(update=kept)
        log.info("settings.taken", changed=" ".join(sorted(changed - AT_START - OF_WORKERS)))
        if changed & (AT_START | OF_WORKERS):
            log.warning(
                "settings.wait",
                dispatcher=" ".join(self.waiting),
                workers=" ".join(sorted(changed & OF_WORKERS)),
                mend="they count when these are started anew",
            )
        return self.settings

    def document(self) -> dict[str, Any]:
        """Return the JSON that the API answers; `since` is a Unix time."""
        return {
            "file": str(own_file(self.settings.home)),
            "since": self.since,
            "problem": self.problem,
            "waiting": list(self.waiting),
        }
