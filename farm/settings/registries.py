"""What opens the registries of base images, services and job images, and the farm's own. It belongs to one machine."""

from typing import Annotated

from pydantic import Field

from farm.settings.secret import Secret
from farm.settings.values import Values

Host = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$")]


class RegistrySettings(Values):
    """A user of one registry; it is shown to that registry alone."""

    user: str = Field(pattern=r"^[^\s:]+$")
    """The user's name there."""
    password: Secret
    """The password, or better a token that may only read."""
