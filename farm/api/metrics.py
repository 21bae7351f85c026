"""What Prometheus scrapes, made from the record at each request. Nothing is counted here."""

from collections.abc import Iterator, Mapping

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from farm.api.service import Farm, Reader, admit
from farm.record import LAST, Record, bound

routes = APIRouter(tags=["metrics"])


@routes.get("/metrics", summary="The farm's figures in Prometheus' text format", response_class=Response)
def metrics(farm: Farm, reader: Reader) -> Response:
    """Give them to a token that reads all; Prometheus sends it as `authorization: {credentials_file: …}`."""
    admit(reader)
    registry = CollectorRegistry()
    registry.register(Figures(farm.record))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class Figures(Collector):
    """The figures of one moment."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def describe(self) -> list[Metric]:
        """Describe nothing: registering must not ask Redis."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give all figures."""
        yield from self._queues()
        yield from self._workers()
        yield from _totals(self._record.counts())

    def _queues(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("farm_queue_depth", "Steps that wait in the queue.", labels=["queue"])
        oldest = GaugeMetricFamily(
            "farm_queue_oldest_wait_seconds", "How long the first of them has been waiting.", labels=["queue"]
        )
        running = GaugeMetricFamily("farm_queue_running", "Steps of the queue that run.", labels=["queue"])
        workers = GaugeMetricFamily("farm_queue_workers", "Workers that serve the queue.", labels=["queue"])
        for queue in self._record.queues():
            depth.add_metric([queue.name], queue.depth)
            oldest.add_metric([queue.name], queue.oldest or 0)
            running.add_metric([queue.name], queue.running)
            workers.add_metric([queue.name], len(queue.consumers))
        yield from (depth, oldest, running, workers)
        waiting = self._record.redis.zcard("farm:undispatched")
        yield GaugeMetricFamily("farm_pipelines_undispatched", "Pushes that no dispatcher has read yet.", value=waiting)
        size = int(self._record.redis.get("farm:logs:bytes") or 0)
        yield GaugeMetricFamily("farm_logs_bytes", "What all logs take in Redis.", value=size)

    def _workers(self) -> Iterator[Metric]:
        there = self._record.workers()
        names = {worker.name for worker in there}
        yield GaugeMetricFamily("farm_workers", "Workers that were heard of lately.", value=len(there))
        slots = GaugeMetricFamily(
            "farm_worker_slots", "Steps that the worker can run at once.", labels=["worker", "host"]
        )
        busy = GaugeMetricFamily("farm_worker_busy_slots", "Steps that it runs now.", labels=["worker", "host"])
        for worker in there:
            slots.add_metric([worker.name, worker.host], worker.slots)
            busy.add_metric([worker.name, worker.host], len(worker.busy))
        yield from (slots, busy)
        lost = sum(step.worker not in names for step in self._record.running())
        yield GaugeMetricFamily("farm_steps_held_by_lost_workers", "Running steps whose worker is silent.", value=lost)


def _totals(counts: Mapping[tuple[str, ...], float]) -> Iterator[Metric]:
    steps = CounterMetricFamily("farm_steps", "Steps that ended.", labels=["queue", "stage", "status"])
    pipelines = CounterMetricFamily("farm_pipelines", "Pipelines that ended.", labels=["repository", "status"])
    for (kind, *labels), value in sorted(counts.items()):
        if kind == "steps":
            steps.add_metric(labels, value)
        elif kind == "pipelines":
            pipelines.add_metric(labels, value)
    yield from (steps, pipelines)
    for kind, words in (("wait", "How long steps waited for a worker."), ("run", "How long steps ran.")):
        yield _histogram(kind, words, counts)
    for name, words in (
        ("leases_expired", "Leases that ran out: a worker was lost, or too slow to renew."),
        ("reruns", "Steps that were begun once more."),
    ):
        yield CounterMetricFamily(f"farm_{name}", words, value=counts.get((name,), 0))


def _histogram(kind: str, words: str, counts: Mapping[tuple[str, ...], float]) -> Metric:
    """Return every second bound of those that the record counts by, each twice the one before."""
    family = HistogramMetricFamily(f"farm_step_{kind}_seconds", words, labels=["queue", "stage"])
    for name, queue, stage in sorted(key for key in counts if key[0] == f"{kind}_sum"):
        below, buckets = 0.0, []
        for bucket in range(LAST + 1):
            below += counts.get((kind, queue, stage, str(bucket)), 0)
            if bucket == LAST or bucket % 2 == 0:
                buckets.append(("+Inf" if bucket == LAST else str(bound(bucket)), below))
        family.add_metric([queue, stage], buckets, sum_value=counts[name, queue, stage])
    return family
