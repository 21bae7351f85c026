"""What all settings have in common. It holds none."""

from pydantic import BaseModel, ConfigDict


class Values(BaseModel):
    """A frozen group of settings; a key that it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")
