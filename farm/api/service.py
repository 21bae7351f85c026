"""What all routes of the dispatcher's HTTP service share: its parts, and who may ask. It knows no route."""

from dataclasses import dataclass, field
from typing import Annotated

import structlog
from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from pydantic import Field

from farm.access import Access, Holder, Scope
from farm.api.feed import Feed
from farm.api.stream import Shared
from farm.artifacts import Store
from farm.errors import Refused
from farm.garbage import Garbage
from farm.intake import Intake
from farm.ledger import Ledger
from farm.logs import Logs
from farm.pipeline import Pipeline
from farm.record import Record
from farm.remotes import Remotes
from farm.settings import Settings
from farm.settings.live import Live
from farm.webhooks import Webhooks

LOG_LOOK = 0.2  # seconds between two looks into a log that somebody follows
LONGEST_WAIT = 30.0  # seconds that a request is held at most

log = structlog.get_logger()


@dataclass(slots=True)
class Service:
    """The parts of the dispatcher that its HTTP service needs; the settings are exchanged when farm.yml changes."""

    settings: Settings
    record: Record
    ledger: Ledger
    logs: Logs
    intake: Intake
    access: Access
    garbage: Garbage
    remotes: Remotes
    webhooks: Webhooks
    artifacts: Store
    live: Live | None = None
    """What is known about a farm.yml that may change; None where nobody looks."""
    feed: Feed = field(init=False)
    looks: Shared = field(init=False)

    def __post_init__(self) -> None:
        self.feed = Feed(self.settings.redis_url)
        self.looks = Shared(LOG_LOOK)


bearer = HTTPBearer(
    auto_error=False,
    description="The farm's own token, one of `farm token create` with its scopes, or a hook's for its own repository.",
)
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def service_of(request: Request) -> Service:
    """Return the parts that the application was created with."""
    service: Service = request.app.state.service
    return service


Farm = Annotated[Service, Depends(service_of)]


def word_of(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> str:
    """Return what a request is sent with, which need not be a token; 401 without it."""
    if credentials is None:
        raise HTTPException(401, "send the word of a grant: `Authorization: Bearer …`", _CHALLENGE)
    return credentials.credentials


Word = Annotated[str, Depends(word_of)]


def holder_of(
    needed: SecurityScopes, farm: Farm, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Holder:
    """Return who sends a request; 401 without a token that is good, 403 when it lacks the scope of the route."""
    if credentials is None:
        raise HTTPException(401, "send the farm's token: `Authorization: Bearer …`", _CHALLENGE)
    try:
        holder = farm.access.holder(credentials.credentials)
    except Refused as refusal:
        raise HTTPException(401, str(refusal), _CHALLENGE) from refusal
    if lacking := [scope for scope in needed.scopes if scope not in holder.scopes]:
        hint = "use the farm's own" if Scope.ADMIN in lacking else f"`farm token create NAME --scope {lacking[0]}`"
        raise HTTPException(403, f"this token has not the scope {lacking[0]}, which is needed here; {hint}")
    return holder


Pusher = Annotated[Holder, Security(holder_of, scopes=[Scope.PUSH])]
Reader = Annotated[Holder, Security(holder_of, scopes=[Scope.READ])]
Actor = Annotated[Holder, Security(holder_of, scopes=[Scope.ACT])]
Owner = Annotated[Holder, Security(holder_of, scopes=[Scope.ADMIN])]
Who = Annotated[str | None, Field(min_length=1, max_length=200)]
"""Who acts, as it is kept in the record; what a named token does is kept under the name of the token."""


def admit(holder: Holder, repository: str | None = None) -> None:
    """Answer 403 unless the token is good for a repository, or without one for all of the farm."""
    if not holder.reaches(repository):
        where = f"{repository!r}" if repository else "all repositories"
        raise HTTPException(
            403, f"this token is good for {holder.repository!r} alone, and this is about {where}; use another token"
        )


def seen(farm: Service, holder: Holder, number: int) -> Pipeline:
    """Return a pipeline to somebody who may see it; 404 when there is none of this number."""
    try:
        found = farm.record.pipeline(number)
    except Refused as refusal:
        raise HTTPException(404, str(refusal)) from refusal
    admit(holder, found.repository)
    return found
