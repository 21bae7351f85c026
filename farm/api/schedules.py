"""The schedules are listed."""

from typing import Any

from fastapi import APIRouter

from farm.api.service import Farm, Reader, admit
from farm.schedules import Slots, identity

NEXT = 3

routes = APIRouter(tags=["config"])


@routes.get("/schedules", summary="What begins by the clock, and when")
def schedules(farm: Farm, reader: Reader) -> list[dict[str, Any]]:
    """By name, with the `next` times in Unix seconds; `last` is the newest that was seen to, and what came of it."""
    admit(reader)
    slots = Slots(farm.record.redis)
    kept, now = slots.read(), slots.now()
    rows = []
    for name, schedule in sorted(farm.settings.schedules.items()):
        last = kept.get(identity(name, schedule))
        seen = last is not None and (last.number is not None or last.problem is not None)
        rows.append(
            {
                "name": name,
                **schedule.model_dump(mode="json"),
                "next": list(schedule.upcoming(now, NEXT)),
                "last": {"time": last.slot, "number": last.number, "problem": last.problem} if last and seen else None,
            }
        )
    return rows
