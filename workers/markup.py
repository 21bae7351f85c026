"""XML of strangers, read by expat with no entity of its own. It knows no report and opens nothing else."""

from collections.abc import Callable
from xml.parsers import expat


def walk(file: bytes, begins: Callable[[str, dict[str, str]], None] | None = None) -> None:
    """Go through a file, each element's name and attributes to `begins`; ValueError for what is no XML to be trusted.

    What `begins` raises comes out unchanged. Refused are entities: one line of them can stand for gigabytes, or for a
    file of this machine.
    """
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EntityDeclHandler = begins, _entity
    try:
        parser.Parse(file, True)  # noqa: FBT003 - expat takes it by place
    except (expat.ExpatError, LookupError) as error:  # the latter for an encoding that nobody knows
        raise ValueError(str(error)) from error


def _entity(*_: object) -> None:
    raise ValueError("it declares entities, which a report needs not")
