"""The wall between head and hands: the Celery app, the names of tasks and queues, and how a pipeline becomes a chain.

A message is a wake-up that carries a pipeline's number and a step's name; it holds no secret and decides nothing, the
record does. Nothing here imports the workers' code: tasks are sent by name only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from celery import Celery, chain
from kombu.exceptions import OperationalError

from farm.errors import Unreachable
from farm.pipeline import STAGES, Step
from farm.refs import short

TASKS: Mapping[str, str] = {stage: f"stage.{stage}" for stage in STAGES}
# What is nearly done goes first: a worker takes from its queues in this order, priority by priority.
QUEUES = tuple(reversed(STAGES))

_PATIENT = {"max_retries": 600, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 1}
# Whoever sends a pipeline's first link does not wait for a broker that is away: the reaper sends it again.
_BRISK = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}


def _configuration() -> dict[str, Any]:
    """Return the settings, each against a measured loss or doubling of work; read at first use, not at import."""
    from farm.settings import Settings  # noqa: PLC0415 - reading files belongs to the first use

    return {
        "broker_url": Settings.load().redis_url,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "visibility_timeout": 6 * 3600,
            "socket_timeout": 20,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "queue_order_strategy": "priority",
            "priority_steps": list(range(10)),
        },
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_publish_retry_policy": _PATIENT,
        "worker_prefetch_multiplier": 1,
        # Seconds that running steps get to end by themselves when the worker is told to; then they are handed back.
        "worker_soft_shutdown_timeout": 5,
        # The record is the truth; a result backend would be one more thing to write, to lose and to disagree with it.
        "task_ignore_result": True,
        "task_default_queue": STAGES[0],
        "task_serializer": "json",
        "accept_content": ["json"],
        # What Flower lives on.
        "worker_send_task_events": True,
        "task_send_sent_event": True,
    }


def near(worker: str) -> str:
    """Return the queue that one worker alone serves: for a step that has something prepared on its host."""
    return f"near.{worker}"


app = Celery("farm", set_as_current=False)
app.add_defaults(_configuration)


def publish(number: int, steps: Sequence[Step], title: str) -> None:
    """Send one chain that wakes the workers for these steps, one after the other; `title` is what Flower shows.

    It may be sent twice, or get lost: the record turns duplicates away and the reaper sends again what is overdue.
    Raises Unreachable when the broker does not answer within about a second.
    """
    if not steps:
        return
    links = [
        app.signature(
            TASKS[step.stage],
            args=(number, step.name),
            immutable=True,
            queue=step.queue or step.stage,
            priority=step.priority,
            argsrepr=f"#{number} {title}" if step.name == step.stage else f"#{number} {title} {step.name}",
            kwargsrepr="",
        )
        for step in steps
    ]
    try:
        chain(*links, app=app).apply_async(retry_policy=_BRISK)
    except OperationalError as error:
        raise Unreachable(f"the queue does not take #{number}: {error}; is Redis running?") from error


def unforked(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the leading steps that one chain can carry: up to where several wait for the same one.

    From a fork on, whoever commits a step publishes those that it made ready.
    """
    carried: list[Step] = []
    for step in steps:
        if carried and (tuple(step.needs) != (carried[-1].name,) or _forks(steps, carried[-1])):
            break
        carried.append(step)
    return tuple(carried)


def _forks(steps: Sequence[Step], before: Step) -> bool:
    return sum(before.name in step.needs for step in steps) > 1


def title(repository: str, ref: str, commit: str) -> str:
    """Return the words by which Flower shows a pipeline: `thyme main 3f9c2e1`."""
    return f"{repository} {short(ref)} {commit[:7]}"
