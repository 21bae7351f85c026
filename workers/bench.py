"""A slot's tools while farm.yml changes: what may change between two steps is taken over then, the rest at a start."""

from contextlib import suppress
from dataclasses import dataclass, field, replace

from farm.errors import Refused
from farm.settings import Settings
from farm.settings.live import BETWEEN_STEPS
from farm.settings.watch import Watch
from workers.docker import DockerEngine
from workers.tools import Tools, registry


@dataclass(slots=True)
class Bench:
    """The tools of one process; a bad farm.yml changes nothing, and the worker's main process says so."""

    settings: Settings
    watch: Watch
    """Made before the settings were read, so that no change goes unseen."""
    tools: Tools = field(init=False)

    def __post_init__(self) -> None:
        self.tools = Tools.connect(self.settings)

    def renewed(self) -> Tools:
        """Return the tools for the next step."""
        if self.watch.differs():
            with suppress(Refused):
                self._take(Settings.load(self.settings.home))
        return self.tools

    def _take(self, loaded: Settings) -> None:
        had = self.tools.settings
        settings = had.model_copy(update={name: getattr(loaded, name) for name in BETWEEN_STEPS})
        self.tools = replace(self.tools, settings=settings)
        if settings.registries != had.registries:
            engine = DockerEngine(registries=settings.registries)
            self.tools = replace(self.tools, engine=engine, registry=registry(settings))
