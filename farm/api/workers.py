"""Workers and queues are listed, and workers drained."""

from dataclasses import asdict
from typing import Any

import structlog
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from farm.api.service import Actor, Farm, Reader, Who, admit
from farm.errors import Refused

log = structlog.get_logger()
routes = APIRouter(tags=["workers"])


class Drain(BaseModel):
    """Who drains a worker, or with `undo` lets it take work again."""

    who: Who = None
    undo: bool = False


@routes.get("/workers", summary="List the workers that were heard of lately")
def workers(farm: Farm, reader: Reader) -> list[dict[str, Any]]:
    """By name; `closed` says why one takes no work, or is null."""
    admit(reader)
    return [asdict(worker) for worker in farm.record.workers()]


@routes.post("/workers/{name}/drain", summary="Let a worker finish what it has and take nothing more")
def drain(name: str, order: Drain, farm: Farm, actor: Actor) -> list[dict[str, Any]]:
    """Keep it so over restarts, until undone. The name of a host means all workers there. 404 when there is none."""
    admit(actor)
    who = actor.acting(order.who)
    known = farm.record.workers()
    names = [worker.name for worker in known if worker.host == name]
    if not names:
        names = [worker.name for worker in known if worker.name.startswith(f"{name}@")] or [name]
    if len({worker.host for worker in known if worker.name in names}) > 1:
        raise HTTPException(409, f"{' and '.join(names)} have that name; say which")
    try:
        for each in names:
            farm.record.drain(each, who, undo=order.undo)
    except Refused as refusal:
        raise HTTPException(404, str(refusal)) from refusal
    log.info("worker.undrained" if order.undo else "worker.drained", workers=names, who=who)
    return [asdict(worker) for worker in farm.record.workers() if worker.name in names]


@routes.get("/queues", summary="List the queues: what waits where, and who takes it")
def queues(farm: Farm, reader: Reader) -> list[dict[str, Any]]:
    """By name; `oldest` is how long the first step has been waiting, in seconds, or null; `why` why nobody takes it."""
    admit(reader)
    return [asdict(queue) for queue in farm.record.queues()]
