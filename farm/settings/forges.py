"""What a farm says about forges: where each is, and what proves who asks. It speaks to none."""

from typing import Literal, get_args

from pydantic import Field

from farm.settings.secret import Secret
from farm.settings.values import HttpUrl, Values

Kind = Literal["github", "gitlab", "gitea", "forgejo"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class ForgeSettings(Values):
    """What holds for all repositories on forges of one kind, where they themselves say nothing."""

    secret: Secret | None = None
    """What signs webhooks; of a repository, without it that of `forges`."""
    token: Secret | None = None
    """An API token that may write commit statuses; of a repository, without it that of `forges`; none without both."""
    url: HttpUrl | None = None
    """Where people see the forge; without it github.com and gitlab.com."""


class ProjectSettings(ForgeSettings):
    """Where a repository is on a forge, and what holds for it alone."""

    kind: Kind
    """What kind of forge it is."""
    project: str | None = Field(default=None, pattern=r"^[^\s/]+(/[^\s/]+)+$")
    """Its full name there, `owner/name`; without it the name that the farm has for it."""
