"""How things stand: pipelines, workers, queues, why something waits. It changes nothing but heartbeats."""

from farm.pipeline import Pipeline, Status
from farm.record.scripts import Base
from farm.record.values import Queue, WorkerInfo


class Views(Base):
    """Read pipelines, workers and queues."""

    def pipeline(self, number: int) -> Pipeline:
        """Return one pipeline; Refused if there is none with this number."""
        raise NotImplementedError

    def pipelines(
        self,
        *,
        repository: str | None = None,
        ref: str | None = None,
        status: Status | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Pipeline]:
        """Return pipelines, newest number first, with numbers below `before`."""
        raise NotImplementedError

    def beat(self, worker: WorkerInfo) -> None:
        """Say that a worker is there; call it every few seconds."""
        raise NotImplementedError

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that were seen within the last day, by name."""
        raise NotImplementedError

    def queues(self) -> list[Queue]:
        """Return every queue that ever had a step or has a consumer, by name."""
        raise NotImplementedError

    def waiting(self, number: int) -> str | None:
        """Say in one sentence why a pipeline waits; None when it runs or is over."""
        raise NotImplementedError
