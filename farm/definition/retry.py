"""How `retry` is written: a number, or how often and after which causes. Nothing is tried here."""

from farm.definition import models
from farm.definition.models import Value
from farm.definition.outcomes import Causes, Tries
from farm.definition.values import kind, wrong


class Retry(Value):
    """How often a failed job is tried again, and after which failures."""

    max: Tries = 1
    """How many more tries it gets at most."""
    on: Causes = ()
    """Exit codes, timeout, service (one did not get ready). Without it any of them, and any failing test."""

    def resolve(self) -> models.Retry:
        """Return what the farm uses."""
        return models.Retry(max=self.max, on=self.on)


def written_retry(value: object) -> object:
    """Take the short form, a number."""
    if isinstance(value, bool) or value == 0:
        raise wrong(f"{kind(value)} says nothing here", "write from 1 to 5, or remove the key")
    return {"max": value} if isinstance(value, int) else value
