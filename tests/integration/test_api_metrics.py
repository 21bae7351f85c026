"""What Prometheus scrapes: the record's figures."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from farm.api.metrics import Figures
from farm.pipeline import Status, Step
from farm.record import Record, WorkerInfo
from tests.records import Farm

pytestmark = [pytest.mark.redis]

GPU = (Step("build", "build", (), "build"), Step("test/a", "test", ("build",), "test+gpu"))
DASHBOARD = Path(__file__).parents[2] / "deploy/grafana.json"


@pytest.fixture
def farm(redis_client: Any) -> Any:
    farm = Farm(redis_client)
    yield farm
    farm.logs.close()


def figures(record: Record) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(Figures(record))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_figures_of_a_farm(farm: Farm) -> None:
    farm.record.beat(WorkerInfo("w1@c1", "c1", 4, queues=("build", "test"), busy=("#1 build",)))
    first, second = farm.open("-", "a", steps=GPU), farm.open("a", "b", steps=GPU)
    farm.pass_step(first, "build")
    farm.record.commit(farm.claim(first, "test/a", "gone"), Status.FAILED)
    farm.claim(second, "build", "gone")
    farm.open("b", "c", steps=GPU)
    found = figures(farm.record)
    assert found["farm_queue_depth", "build"] == 1
    assert found["farm_queue_oldest_wait_seconds", "build"] > 0
    assert found["farm_queue_running", "build"] == 1
    assert found["farm_queue_workers", "test+gpu"] == 0
    assert found["farm_steps_total", "test+gpu", "test", "failed"] == 1
    assert found["farm_pipelines_total", "thyme", "failed"] == 1
    assert found[("farm_workers",)] == 1
    assert found["farm_worker_busy_slots", "c1", "w1@c1"] == 1
    assert found[("farm_steps_held_by_lost_workers",)] == 1
    assert found[("farm_leases_expired_total",)] == 0
    for kind in ("wait", "run"):
        assert found[f"farm_step_{kind}_seconds_count", "build", "build"] == 1
        assert found[f"farm_step_{kind}_seconds_bucket", "+Inf", "build", "build"] == 1
        assert found[f"farm_step_{kind}_seconds_bucket", "16384.0", "build", "build"] == 1


def test_an_empty_farm_has_figures_too(farm: Farm) -> None:
    assert figures(farm.record)[("farm_workers",)] == 0


def test_the_dashboard_asks_for_what_there_is(farm: Farm) -> None:
    farm.record.cancel(farm.open("b", "c"), "ada")
    farm.pass_step(farm.open(steps=GPU), "build")
    farm.record.beat(WorkerInfo("w1@c1", "c1", 4))
    dashboard = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    names = {name for name, *_ in figures(farm.record)}
    words = {word for expression in asked for word in re.findall(r"farm_\w+", expression)}
    assert words
    assert words <= names
