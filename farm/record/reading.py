"""From the strings of the record to a Pipeline. It reads nothing itself."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from farm.durations import duration
from farm.pipeline import Job, Pipeline, Stage, Status, sum_up
from farm.record.values import Disk, Machine, WorkerInfo
from farm.variables import shown

Fields = Mapping[str, str]

_log = structlog.get_logger()


def fields(flat: Sequence[str] | Fields) -> Fields:
    """Return the mapping that HGETALL means inside a script's answer (names and values by turns)."""
    if isinstance(flat, Mapping):
        return flat
    return dict(zip(flat[::2], flat[1::2], strict=True))


def readable(answer: Sequence[Any]) -> Pipeline:
    """Return the pipeline of one row, or, when its record is broken, one that says so: it must not hide the others."""
    try:
        return pipeline(answer)
    except (KeyError, TypeError, ValueError) as error:
        number, flat, *_ = answer
        top = fields(flat)
        _log.warning("record.unreadable", pipeline=number, error=repr(error))
        return Pipeline(
            number=int(number),
            repository=top.get("repository", "?"),
            ref=top.get("ref", "?"),
            commit=top.get("commit") or top.get("new", ""),
            subject=top.get("subject", ""),
            author=top.get("author", ""),
            who=top.get("who", ""),
            status=Status.ERRORED,
            reason=f"the record of #{number} cannot be read ({error!r}); was it written by another version?",
            created=0.0,
            started=None,
            finished=None,
            image=None,
            released=(),
            stages=(),
        )


def pipeline(answer: Sequence[Any]) -> Pipeline:
    """Return the pipeline of one row that read.lua answers."""
    number, flat, *steps = answer
    top = fields(flat)
    jobs: dict[str, list[Job]] = {}
    for name, step in steps:
        row = fields(step)
        jobs.setdefault(row["stage"], []).append(_job(name, row))
    return Pipeline(
        number=int(number),
        repository=top["repository"],
        ref=top["ref"],
        commit=top.get("commit") or top["new"],
        subject=top.get("subject", ""),
        author=top.get("author", ""),
        who=top["who"],
        status=Status(top["status"]),
        reason=top.get("reason"),
        created=float(top["created"]),
        started=_time(top, "started"),
        finished=_time(top, "finished"),
        image=top.get("image"),
        released=tuple(json.loads(top.get("released", "[]"))),
        stages=tuple(_stage(name, members) for name, members in jobs.items()),
        round=int(top.get("round", 1)),
        retried_by=top.get("retried_by"),
        variables=shown(json.loads(top.get("options") or "[]")),
        by_hand=top.get("source") == "manual",
        email=top.get("email", ""),
        notes=tuple(json.loads(top.get("notes", "[]"))),
    )


def worker(name: str, row: Fields, against: Fields, now: float) -> WorkerInfo:
    """Return a worker from what it said last and what the record holds against it."""
    lists = {part: tuple(json.loads(row[part])) for part in ("labels", "queues", "busy")}
    return WorkerInfo(
        name,
        row["host"],
        int(row["slots"]),
        seen=float(row["seen"]),
        closed=closed(against, now) or row.get("closed") or None,
        drained="drained" in against,
        machine=_machine(row.get("machine", "")),
        **lists,
    )


def closed(against: Fields, now: float) -> str | None:
    """Say why a worker takes no work by the record's word, behind its name: "is drained by ada"."""
    if "drained" in against:
        return f"is drained by {against['drained_by']}"
    if float(against.get("aside", 0)) <= now:
        return None
    left = duration(float(against["aside"]) - now)
    why = f"after {against['errors']} steps in a row that it could not do: {against['reason']}"
    return f"is put aside for {left} {why}"


def _machine(text: str) -> Machine | None:
    if not text:
        return None
    values = json.loads(text)
    return Machine(**values | {"disks": tuple(Disk(**disk) for disk in values["disks"])})


def _job(name: str, row: Fields) -> Job:
    return Job(
        name=name,
        status=Status(row["status"]),
        worker=row.get("worker"),
        attempts=int(row["attempts"]),
        reason=row.get("reason") or row.get("note"),
        ready=_time(row, "ready"),
        started=_time(row, "started"),
        finished=_time(row, "finished"),
        result=_result(row),
        allowed=row.get("allowed") == "1",
    )


def _result(row: Fields) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(row.get("result", "{}"))
    if "coverage" in result and "coverage_before" in row:
        result["coverage"]["before"] = float(row["coverage_before"])
    return result


def _stage(name: str, jobs: Sequence[Job]) -> Stage:
    status = sum_up([job.counts for job in jobs])
    started = [job.started for job in jobs if job.started is not None]
    finished = [job.finished for job in jobs if job.finished is not None]
    return Stage(
        name=name,
        status=status,
        started=min(started, default=None),
        finished=max(finished, default=None) if status.final else None,
        jobs=tuple(jobs),
    )


def _time(row: Fields, name: str) -> float | None:
    return float(row[name]) if name in row else None
