"""What is said about secrets: which are named where, and whether there are such. It knows no value of any.

It looks at the data as written and passes over what has no proper shape; that is the models' to tell.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from farm.definition.finding import Finding
from farm.definition.hints import nearest
from farm.definition.names import is_secret
from farm.definition.tree import Loc
from farm.definition.values import shown


def unknown(data: Any, known: Collection[str] | None) -> Iterator[Finding]:
    """Give each secret that the repository does not have; None is that nobody knows which it has."""
    if known is None:
        return
    for at, name, _ in _named(data):
        if name not in known and is_secret(name):
            close = nearest(name, known)
            make = f"make it: farm secret set REPO {shown(name)}"
            yield Finding(at, f'there is no secret "{shown(name)}"', f'did you mean "{close}"?' if close else make)


def doubled(data: Any) -> Iterator[Finding]:
    """Give each secret whose name a variable of the same job has already."""
    for at, name, job in _named(data):
        for key in ("env", "matrix"):
            if name in _mapping(job.get(key)):
                yield Finding(at, f'the variable "{shown(name)}" stands in {key} too', "remove one of them")


def _named(data: Any) -> Iterator[tuple[Loc, str, Mapping[str, Any]]]:
    """Give each name of a secret with its place and the job around it; a build has no variables."""
    top = _mapping(data)
    test = _mapping(top.get("test"))
    around: dict[Loc, Any] = {("build",): {"secrets": _mapping(top.get("build")).get("secrets")}, ("test",): test}
    around |= {("test", "jobs", name): job for name, job in _mapping(test.get("jobs")).items()}
    after = _mapping(_mapping(top.get("release")).get("after"))
    around |= {("release", "after", name): hook for name, hook in after.items()}
    for loc, holder in around.items():
        names = _mapping(holder).get("secrets", ())
        for index, name in enumerate(names if isinstance(names, tuple) else (names,)):
            if isinstance(name, str):
                yield (*loc, "secrets", index), name, holder


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
