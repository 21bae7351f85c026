"""A pipeline is asked for without a push."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from farm.answer import compose
from farm.api.pushes import brief, outcomes
from farm.api.service import LONGEST_WAIT, Actor, Farm, Who, admit
from farm.errors import Refused
from farm.trigger import Trigger

routes = APIRouter(tags=["pipelines"])


class Wish(BaseModel):
    """What somebody wants a pipeline for: a branch or tag by its short or full name, "" for the default branch.

    Its jobs get the variables. The same `id` gives the same pipeline. `wait` is how many seconds the answer may take
    to say what becomes of it.
    """

    who: Who = None
    repository: Annotated[str, Field(min_length=1, max_length=200)]
    ref: Annotated[str, Field(max_length=1000)] = ""
    variables: dict[str, str] = {}
    id: Annotated[str, Field(max_length=64, pattern=r"^([A-Za-z0-9-]{8,})?$")] = ""
    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = 0.0


@routes.post("/pipelines", summary="Ask for a pipeline of the commit at which a branch or tag is now")
async def trigger(wish: Wish, farm: Farm, actor: Actor) -> dict[str, Any]:
    """Answer as for pushes. 404 for a repository, branch or tag that there is not."""
    admit(actor, wish.repository)
    enter = partial(Trigger(farm.ledger, farm.intake).enter, variables=wish.variables, identity=wish.id)
    try:
        push, entry = await run_in_threadpool(enter, wish.repository, wish.ref, actor.acting(wish.who))
    except Refused as refusal:
        raise HTTPException(404, str(refusal)) from refusal
    await run_in_threadpool(farm.intake.host, wish.repository)
    found = await outcomes(farm.intake, [push], [entry], wish.wait)
    return {
        "pipelines": [brief(outcome, farm.settings.web_url) for outcome in found],
        "lines": compose(found, farm.settings.web_url),
    }
