"""The record: what Redis holds about every pipeline, and the only truth about it.

It publishes nothing and runs nothing: Celery messages are wake-ups, this decides who may work and whose work counts.
All changes of more than one thing are Lua scripts (farm/lua) with Redis's own clock.
"""

from farm.record.course import Course
from farm.record.grants import Grants
from farm.record.images import Images
from farm.record.loads import LAST, SPANS, Loads, Slot, Span, Times, bound
from farm.record.releases import Releases
from farm.record.steps import Steps
from farm.record.tests import TestHistory, TestOutcome, TestResult, TestRun, Tests, test_id
from farm.record.values import (
    SCHEMA,
    Claim,
    Disk,
    Intent,
    Machine,
    Queue,
    Repository,
    Sent,
    Tag,
    Wake,
    WorkerInfo,
)
from farm.record.views import Views

__all__ = [
    "LAST",
    "SCHEMA",
    "SPANS",
    "Claim",
    "Disk",
    "Intent",
    "Machine",
    "Queue",
    "Record",
    "Repository",
    "Sent",
    "Slot",
    "Span",
    "Tag",
    "TestHistory",
    "TestOutcome",
    "TestResult",
    "TestRun",
    "Times",
    "Wake",
    "WorkerInfo",
    "bound",
    "test_id",
]


class Record(Steps, Course, Releases, Images, Grants, Tests, Loads, Views):
    """All that may be done to a pipeline, over a `redis.Redis` with decode_responses=True; safe in threads."""
