"""How `when` of a job is written: which pushes call for it. Whether one does is not known here."""

from typing import Annotated

from pydantic import ConfigDict, Field

from farm.definition import models
from farm.definition.commands import EnvValues
from farm.definition.models import Value
from farm.definition.names import Files, Variable
from farm.definition.templates import Branches
from farm.definition.values import wrong


class When(Value):
    """Which pushes call for the job: all that is named here has to be so."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    branches: Branches = ()
    """Branches, as names or patterns with *. With `branches` or `tags` other refs do not call for the job."""
    tags: Branches = ()
    """Git tags, as names or patterns with *."""
    paths: Files = ()
    """Files of which one has changed since the job last passed on the branch, or the job itself has."""
    variables: Annotated[dict[Variable, EnvValues], Field(max_length=50)] = Field(default_factory=dict)
    """Variables of the job with the value, or the values, that they have: those of a push, of `env` or a matrix."""

    def resolve(self) -> models.When:
        """Return what the farm uses."""
        return models.When(branches=self.branches, tags=self.tags, paths=self.paths, variables=self.variables)


def written_when(value: object) -> object:
    """Refuse one that says nothing."""
    if value is None or value == {}:
        raise wrong("this is empty", "remove the key, or name branches, tags, paths or variables")
    return value
