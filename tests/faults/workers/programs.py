"""What processes of these tests are; a module of its own, so that they need not import what only tests need."""

import json
import sys

from farm.broker import app, publish
from farm.pipeline import Step
from workers import heartbeat


def impatient() -> None:
    """Be Celery's own program that looks and sweeps more often and, told to end, waits less for running work."""
    from celery.__main__ import main  # noqa: PLC0415 - it reads variables of the worker's process

    app.conf.worker_soft_shutdown_timeout = 1
    heartbeat.LOOK, heartbeat.BEAT, heartbeat.SWEEP = 0.5, 1.0, 1.0
    main()


def publisher() -> None:
    """Send chains, in a process with the farm's broker of its own."""
    for number, steps in json.loads(sys.stdin.read()):
        publish(number, [Step(**step) for step in steps], "thyme main")
