"""One job written once and run several times: with each combination of values, and in shards side by side."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated

from pydantic import Field

from farm.definition.commands import EnvValues
from farm.definition.names import Variable

MOST = 200
_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_UNFIT = re.compile(r"[^a-z0-9._]+")

Matrix = Annotated[dict[Variable, EnvValues], Field(min_length=1, max_length=5)]
Shards = Annotated[int, Field(ge=2, le=50)]


def variants(matrix: Mapping[str, Sequence[str]], shards: int | None) -> Iterator[tuple[str, dict[str, str]]]:
    """Give each variant of a job: what tells it from the others (unique, fit for a name), and its variables."""
    taken: set[str] = set()
    for values in product(*matrix.values()):
        for shard in range(1, (shards or 1) + 1):
            words = [_UNFIT.sub("-", value.lower()).strip("-.")[:30] for value in values]
            word = "-".join([word for word in words if word] + ([str(shard)] if shards else []))
            if values and (not word or word in taken):
                word = f"{word}-{len(taken) + 1}".strip("-")
            taken.add(word)
            sharding = {"FARM_SHARD": str(shard), "FARM_SHARDS": str(shards)} if shards else {}
            yield word, dict(zip(matrix, values, strict=True)) | sharding


def places(template: str) -> Sequence[str]:
    """Return the names in braces of an image."""
    return _PLACE.findall(template)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return an image with the values of the matrix in it."""
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), template)
