"""A `.gitlab-ci.yml` as data that knows its lines: YAML with GitLab's `!reference`. It gives nothing a meaning.

All scalars are text as it is written, because GitLab hands variables on as text; nothing (`~`, null) is None.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import yaml

from farm.errors import Refused

BYTES = 1 << 20
VALUES = 50_000  # aliases counted in full
NUMBER = re.compile(
    r"[0-9]{1,9}"
)  # a whole number as GitLab takes one; neither another script's digits nor thousands of them
_NULL, _MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"


class Line(int):
    """The number of a line, and the file that it is in; empty for the file that is converted."""

    file: str

    def __new__(cls, number: int, file: str = "") -> Self:
        """Make it of a number."""
        made = super().__new__(cls, number)
        made.file = file
        return made


class Text(str):
    """A scalar and the line where it begins."""

    __slots__ = ("line",)
    line: Line

    def __new__(cls, value: str, line: Line) -> Self:
        """Make it of any text."""
        made = super().__new__(cls, value)
        made.line = line
        return made


class List(list[Any]):
    """A list and its line."""

    def __init__(self, items: Iterator[Any] | list[Any], line: Line) -> None:
        super().__init__(items)
        self.line = line


class Map(dict[str, Any]):
    """A mapping, its line, and the line of each key."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, Line] = {}

    def put(self, key: str, value: Any, line: Line) -> None:
        """Set a key that stands in a line."""
        self[key] = value
        self.lines[key] = line


@dataclass(frozen=True, slots=True)
class Reference:
    """`!reference [job, key]`, and its line."""

    path: tuple[str, ...]
    line: Line


def load(text: str, name: str, *, file: str = "") -> Map:
    """Read the file; a header before `---` (`spec:`) is given under the key `spec`. Refused if it is no mapping."""
    if len(text.encode(errors="replace")) > BYTES:
        raise Refused(f"{name} is larger than {BYTES >> 10} KiB; is it a .gitlab-ci.yml?")
    try:
        documents = list(yaml.compose_all(text, yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is nested too deep"
        raise Refused(f"{name}{place}: this is no YAML: {problem}; mend it first") from None
    reader = _Reader(name, file)
    found = [reader.value(document) for document in documents if document is not None]
    if not found or not all(isinstance(each, Map) for each in found):
        raise Refused(f"{name} holds no mapping; is it a .gitlab-ci.yml?")
    data: Map = found[-1]
    for header in found[:-1]:
        for key, value in header.items():
            data.put(key, value, header.lines[key])
    return data


class _Reader:
    def __init__(self, name: str, file: str) -> None:
        self._name = name
        self._file = file
        self._left = VALUES

    def value(self, node: Any, depth: int = 0) -> Any:
        """Return a node as data."""
        self._left -= 1
        if self._left < 0 or depth > 50:  # noqa: PLR2004 - nobody nests so deep
            raise Refused(f"{self._name} holds more than {VALUES} values, aliases counted in full, or nests too deep")
        line = Line(node.start_mark.line + 1, self._file)
        if node.tag == "!reference" and isinstance(node, yaml.SequenceNode):
            return Reference(tuple(item.value for item in node.value if isinstance(item, yaml.ScalarNode)), line)
        if isinstance(node, yaml.SequenceNode):
            return List([self.value(item, depth + 1) for item in node.value], line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, line, depth)
        return None if node.tag == _NULL else Text(node.value, line)

    def _mapping(self, node: Any, line: Line, depth: int) -> Map:
        made, merged = Map(line), list[Any]()
        for key, value in node.value:
            if key.tag == _MERGE:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
                continue
            at = Line(key.start_mark.line + 1, self._file)
            if not isinstance(key, yaml.ScalarNode):
                raise Refused(f"{self._name}:{at}: a key must be text, not a list or a mapping; mend it first")
            made.put(key.value, self.value(value, depth + 1), at)
        for source in merged:
            brought = self.value(source, depth + 1)
            for key in brought if isinstance(brought, Map) else ():
                if key not in made:
                    made.put(key, brought[key], brought.lines[key])
        return made
