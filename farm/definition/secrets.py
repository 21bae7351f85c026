"""What is said about secrets: which are named where. It knows no value of any, nor whether there is one.

It looks at the data as written and passes over what has no proper shape; that is the models' to tell.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from farm.definition.finding import Finding
from farm.definition.tree import Loc
from farm.definition.values import mapping, shown


def doubled(data: Any) -> Iterator[Finding]:
    """Give each secret whose name a variable of the same job has already."""
    for at, name, job in named(data):
        for key in ("env", "matrix"):
            if name in mapping(job.get(key)):
                yield Finding(at, f'the variable "{shown(name)}" stands in {key} too', "remove one of them")


def named(data: Any) -> Iterator[tuple[Loc, str, Mapping[str, Any]]]:
    """Give each name of a secret with its place and the job around it; a build has no variables."""
    top = mapping(data)
    test = mapping(top.get("test"))
    around: dict[Loc, Any] = {("build",): {"secrets": mapping(top.get("build")).get("secrets")}, ("test",): test}
    around |= {("test", "jobs", name): job for name, job in mapping(test.get("jobs")).items()}
    after = mapping(mapping(top.get("release")).get("after"))
    around |= {("release", "after", name): hook for name, hook in after.items()}
    for loc, holder in around.items():
        names = mapping(holder).get("secrets", ())
        for index, name in enumerate(names if isinstance(names, tuple) else (names,)):
            if isinstance(name, str):
                yield (*loc, "secrets", index), name, holder
