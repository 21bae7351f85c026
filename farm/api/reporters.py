"""Reporters are tried: each sends one message and says what the other side answered."""

from typing import Any

import structlog
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from farm.api.service import Farm, Owner, Who
from farm.reporters import Later, Reporter, Testable, Useless
from farm.reporters.chosen import reporters_of
from farm.reporters.standing import Book

log = structlog.get_logger()
routes = APIRouter(tags=["reporters"])


class Trial(BaseModel):
    """Who tries, and which reporter; without one all."""

    who: Who = None
    reporter: str | None = Field(default=None, max_length=100)


@routes.post("/reporters/test", summary="Send a message by each reporter, or by one")
def try_(order: Trial, farm: Farm, owner: Owner) -> list[dict[str, Any]]:
    """Return `name`, `ok` and `answer` of each; what an answered one had lost is forgotten. 404 for no such name."""
    known = list(reporters_of(farm.settings, farm.record.redis))
    chosen = [reporter for reporter in known if order.reporter in (None, reporter.name)]
    if order.reporter and not chosen:
        names = ", ".join(reporter.name for reporter in known) or "none yet"
        raise HTTPException(404, f"farm.yml has no reporter {order.reporter!r}, but {names}")
    return [_try(farm, reporter, owner.acting(order.who)) for reporter in chosen]


def _try(farm: Farm, reporter: Reporter, who: str) -> dict[str, Any]:
    good, answer = False, "it has no message to try itself with; the next event will show"
    if isinstance(reporter, Testable):
        try:
            good, answer = True, reporter.test()
            Book(farm.record.redis, reporter.name).clear()
        except (Later, Useless) as error:
            answer = error.sentence if isinstance(error, Later) else str(error)
    log.info("reporter.tried", reporter=reporter.name, who=who, ok=good, answer=answer)
    return {"name": reporter.name, "ok": good, "answer": answer}
