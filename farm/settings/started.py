"""What a process that reads farm.yml at its start alone says when that changes. It takes nothing over."""

from collections.abc import Callable, Mapping

import structlog

from farm.errors import Refused
from farm.settings.live import AT_START, OF_WORKERS
from farm.settings.settings import Settings
from farm.settings.watch import Watch

_NOT_OF_WORKERS = frozenset(("web_url", "token", "artifacts"))

log = structlog.get_logger()


class Started:
    """The settings of one process: `reads` picks those that it uses. Which of them wait is said in its log, once."""

    def __init__(self, process: str, settings: Settings, reads: Callable[[Settings], Mapping[str, object]]) -> None:
        self._process = process
        self._home = settings.home
        self._reads = reads
        self._has = reads(settings)
        self._watch = Watch(settings.home)
        self.waiting: tuple[str, ...] = ()

    def look(self) -> None:
        """Say once of each change what waits for a new start."""
        if not self._watch.changed():
            return
        try:
            found = self._reads(Settings.load(self._home))
        except Refused as refusal:
            log.warning("settings.refused", error=str(refusal), mend="a new start would refuse it; farm config check")
            return
        before, self.waiting = self.waiting, tuple(sorted(key for key in found if found[key] != self._has[key]))
        if self.waiting == before:
            return
        if self.waiting:
            mend = "they count when this process is started anew"
            log.warning("settings.wait", **{self._process: " ".join(self.waiting)}, mend=mend)
        else:
            log.info("settings.as_started", mend="farm.yml says again what holds")


def of_worker(settings: Settings) -> Mapping[str, object]:
    """Return what a worker uses of the settings as at its start."""
    return {name: getattr(settings, name) for name in (AT_START - _NOT_OF_WORKERS) | OF_WORKERS}


def of_pages(settings: Settings) -> Mapping[str, object]:
    """Return what Flower's tabs and `farm web` use of the settings, all of it as at their start."""
    return {name: getattr(settings, name) for name in ("artifacts", "lease", "redis_url")}
