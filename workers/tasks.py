"""The workers' door: Celery's tasks and signals. A message is a wake-up; the record says what is to be done.

Only here do a Celery message and the work meet; the work itself is `attempt`.
"""

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from copy import copy
from functools import cache, partial, wraps
from typing import Any

import structlog
from billiard import active_children  # type: ignore[import-untyped]
from billiard.common import TERM_SIGNAL  # type: ignore[import-untyped]
from celery.app.amqp import AMQP
from celery.exceptions import Ignore, Reject
from celery.signals import task_postrun, worker_process_init, worker_ready, worker_shutdown, worker_shutting_down
from celery.worker import state
from kombu.connection import Connection
from kombu.transport.redis import Channel, Transport
from redis.exceptions import ResponseError

from farm.broker import TASKS, app, near, publish, title
from farm.errors import Unreachable
from farm.home import default_home
from farm.pipeline import Status
from farm.settings import Settings
from farm.settings.watch import Watch
from workers.attempt import Ended, attempt
from workers.bench import Bench
from workers.heartbeat import Heartbeat
from workers.lease import stop_all
from workers.tools import Tools

# A lost connection makes kombu put running work back into its queue, where another worker takes it up at once, and with
# Redis away the attempt to do so ends the whole worker (kombu 5.7). The reaper sends again what is really lost.
Channel.do_restore = False
# A Redis that refuses to write (its memory or disk is full) ends the whole worker otherwise; so it only connects again.
Transport.connection_errors += (ResponseError,)


def _answer(method: Callable[..., None]) -> Callable[..., None]:
    """Drop the answer to a message whose connection is gone: it ends the whole worker otherwise (kombu 5.7)."""

    @wraps(method)
    def answer(channel: Channel, *arguments: Any, **more: Any) -> None:
        if not channel.closed:
            method(channel, *arguments, **more)

    return answer


Channel.basic_ack = _answer(Channel.basic_ack)  # type: ignore[method-assign]
Channel.basic_reject = _answer(Channel.basic_reject)  # type: ignore[method-assign]
logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells every request


class _Near(Connection):
    """The way to Redis, looked for every second when it is lost; kombu would wait 2, 4, 6 … 30 s between two looks."""

    def ensure_connection(self, *arguments: Any, **more: Any) -> Any:
        near = {"interval_start": 1, "interval_step": 0, **more}
        return super().ensure_connection(*arguments, **near)  # type: ignore[no-untyped-call]


AMQP.Connection = _Near
FORCE = 5.0  # seconds beyond those that running steps get, after which the end does not wait for Redis any more
HANDED_ON = 0.5  # seconds that a message is held before it is handed on, so that nobody spins

_logger = structlog.get_logger()
_teardowns: dict[str, ExitStack] = {}
_heartbeats: list[Heartbeat] = []
_ending = False


class StepFailed(Exception):
    """The pushed code's fault; the record has it, this is for Flower."""


class StepErrored(Exception):
    """The farm's fault; the record has it and tries again, this is for Flower."""


@cache
def bench() -> Bench:
    """Return this process's tools with their settings, connected at the first use after the fork."""
    settings, watch = _start()
    return Bench(settings, copy(watch))


def tools() -> Tools:
    """Return this process's tools as they are."""
    return bench().tools


@cache
def _start() -> tuple[Settings, Watch]:
    """Return what the worker was started with; a slot that takes the place of a lost one inherits it."""
    watch = Watch(default_home())
    return Settings.load(), watch


def _stage(task: Any, number: int, step: str) -> str:
    """Do one step; what it returns or raises is what Flower shows and whether the chain goes on."""
    signal.signal(TERM_SIGNAL, _end_slot)  # not earlier: after `worker_process_init` the pool sets its own
    teardown = _teardowns[task.request.id] = ExitStack()
    ended = attempt(bench().renewed(), number, step, teardown)
    if ended.next:
        return f"#{number} {step} had passed; waking what waits for it"
    if ended.elsewhere:
        if task.request.delivery_info.get("routing_key") == near(tools().settings.worker_name):
            raise Ignore  # nobody else takes from there; the reaper sends the step to everybody
        time.sleep(HANDED_ON)
        raise Reject(f"#{number} {step} is left to another worker", requeue=True)
    if ended.status is None:
        raise Ignore
    if ended.status is Status.FAILED and not ended.allowed:
        raise StepFailed(ended.reason)
    if ended.status in (Status.PENDING, Status.ERRORED):
        raise StepErrored(ended.reason)
    _wake(task, number, ended)
    if ended.prepared and task.request.chain:
        # A slot here is free right now. If this worker goes down all the same, the reaper sends the step to everybody.
        task.request.chain[-1]["options"]["queue"] = near(tools().settings.worker_name)
    return f"#{number} {step} {ended.status}" + (f": {ended.reason}" if ended.reason else "")


for _name in TASKS.values():
    app.task(_stage, name=_name, bind=True, throws=(StepFailed, StepErrored))


def _wake(task: Any, number: int, ended: Ended) -> None:
    """Publish the steps that became ready and that the rest of the message's chain does not carry."""
    carried = [link["args"][1] for link in (task.request.chain or ())[-1:]]
    for step in ended.ready:
        if step.name not in carried and ended.claim is not None:
            try:
                publish(number, [step], title(ended.claim.repository, ended.claim.ref, ended.claim.commit))
            except Unreachable as error:
                _logger.warning("publish", pipeline=number, step=step.name, error=str(error))  # the reaper does it


@task_postrun.connect  # type: ignore[untyped-decorator]
def _tear_down(task_id: str, **_: Any) -> None:
    """Take away what the step used, after the next link is on its way."""
    if teardown := _teardowns.pop(task_id, None):
        try:
            teardown.close()
        except Exception:
            _logger.exception("teardown")  # the sweep takes the rest
    if _ending:
        sys.exit(0)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _warm_up(**_: Any) -> None:
    """Connect before the first step."""
    bench.cache_clear()  # the main process may have its own by now
    try:
        tools().record.redis.ping()
        tools().engine.info()
        tools().registry.digest("farm", "warm")
    except Exception as error:  # noqa: BLE001 - each step will say it in its own log
        _logger.warning("warm-up", error=str(error))


def _end_slot(*_: Any) -> None:
    """End now, or after the running step has stopped and was given back; told once more, wait only for that."""
    global _ending
    again, _ending = _ending, True
    if not stop_all() and (again or not _teardowns):
        sys.exit(0)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _see_to_the_end(**_: Any) -> None:
    """Say goodbye, and end also if Celery waits for a Redis that is away, its slots without a word from it."""
    for heartbeat in _heartbeats:
        heartbeat.cease()
    threading.Thread(target=_end_by_force, name="end", daemon=True).start()


def _end_by_force() -> None:
    time.sleep(app.conf.worker_soft_shutdown_timeout + FORCE)
    try:
        _end_slots()
        # No logging here: what hangs may hold its lock.
        os.write(2, b"the end was forced: Redis does not answer; the other workers take over what ran here\n")
        faulthandler.dump_traceback(2)
    finally:
        os._exit(1)


def _end_slots() -> None:
    """Let each slot hand its step back, and kill those that have not done so in time."""
    last = time.monotonic() + tools().settings.lease + FORCE
    for slot in active_children():
        os.kill(slot.pid, TERM_SIGNAL)
    while active_children() and time.monotonic() < last:
        time.sleep(0.1)
    for slot in active_children():
        os.kill(slot.pid, signal.SIGKILL)


@worker_ready.connect  # type: ignore[untyped-decorator]
def _begin(sender: Any, **_: Any) -> None:
    queues = tuple(app.amqp.queues.consume_from)
    shown = sorted(set(queues) - {near(tools().settings.worker_name)})
    heartbeat = Heartbeat(tools(), shown, _busy, partial(_take, sender, queues))
    _heartbeats.append(heartbeat)
    heartbeat.start()


@worker_shutdown.connect  # type: ignore[untyped-decorator]
def _end(**_: Any) -> None:
    while _heartbeats:
        _heartbeats.pop().stop()


def _take(consumer: Any, queues: Sequence[str], wanted: bool) -> None:
    """Let the worker's own loop begin or cease to take from its queues, where it does not do so already."""
    tasks = consumer.task_consumer
    if tasks is not None and any(tasks.consuming_from(queue) != wanted for queue in queues):
        consumer.call_soon(_turn, consumer, queues, wanted)


def _turn(consumer: Any, queues: Sequence[str], wanted: bool) -> None:
    for queue in queues:
        try:
            (consumer.add_task_queue if wanted else consumer.cancel_task_queue)(queue)
        except Exception as error:  # noqa: BLE001 - its connection is on the way out; the next look tries again
            _logger.warning("queue", queue=queue, wanted=wanted, error=str(error))


def _busy() -> Sequence[str]:
    requests = [request.info()["args"] for request in list(state.active_requests)]
    return sorted(f"#{args[0]} {args[1]}" for args in requests)
