"""How `parallel` is written: a number of shards, or shards among which files are divided."""

from typing import Annotated

from farm.definition.matrix import Shards
from farm.definition.models import Value
from farm.definition.names import Inside
from farm.definition.values import Given, kind, wrong


class Parallel(Value):
    """Several runs of the job side by side, and what each has to do."""

    shards: Shards
    """How many: FARM_SHARD (from 1) and FARM_SHARDS tell each its part."""
    split: Annotated[Inside | None, Given] = None
    """Files to divide among them, as a pattern with * and **; FARM_SHARD_FILES names those of each, a line for each."""


def written_parallel(value: object) -> object:
    """Take the short form, a number."""
    if isinstance(value, str | bool | float):
        raise wrong(f"a whole number is expected here, not {kind(value)}", "write 4, or {shards: 4, split: tests/*}")
    return {"shards": value} if isinstance(value, int) else value
