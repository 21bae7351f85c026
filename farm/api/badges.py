"""A badge for a README: one word about a branch, which by default anybody may see."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response
from fastapi.security import HTTPAuthorizationCredentials, SecurityScopes

from farm.access import Scope
from farm.api.service import Farm, admit, bearer, holder_of
from farm.api.tagged import Tagged
from farm.badge import badge, repository_of

routes = APIRouter(tags=["badges"], route_class=Tagged)


class Svg(Response):
    """A picture."""

    media_type = "image/svg+xml"


@routes.get("/badge/{repository_and_branch:path}.svg", summary="How a branch stands, as a picture", response_class=Svg)
def picture(
    repository_and_branch: Annotated[str, Path(max_length=400)],
    farm: Farm,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Svg:
    """Draw how the newest finished pipeline of `repository/branch` ended; what there is not is `unknown`.

    It wants no token, unless the setting `badges` is `private`.
    """
    if farm.settings.badges == "private":
        holder = holder_of(SecurityScopes([Scope.READ]), farm, credentials)
        admit(holder, repository_of(farm.record, repository_and_branch) or None)
    return Svg(badge(farm.record, repository_and_branch), headers={"Cache-Control": "no-cache"})
