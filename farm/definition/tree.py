"""Plain data with the place of each value: what a YAML file is once it was read. It reads none."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from farm.definition.mistakes import Mistake, Place

Loc = tuple[str | int, ...]


@dataclass(slots=True)
class Node:
    """One value of the file: pairs (those that << brought too) for a mapping, items for a list, else a scalar.

    An alias shares the node that it names.
    """

    place: Place
    scalar: Any = None
    items: list["Node"] | None = None
    pairs: dict[str, "Pair"] | None = None
    size: int = 1
    complete: bool = False


class Pair(NamedTuple):
    """A value of a mapping, and where its key stands."""

    place: Place
    node: Node


@dataclass(slots=True)
class Tree:
    """Data (tuples for lists), where each value and each key of it stands, and what was taken amiss on the way."""

    data: Any = None
    values: dict[Loc, Place] = field(default_factory=dict)
    keys: dict[Loc, Place] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    file: str = ""

    def put(self, root: Node | None) -> None:
        """Take the values of a node and below it, unless there is none."""
        if root:
            self.values[()] = root.place
            self.data = _plain(root, (), self)

    def place(self, loc: Loc, *, key: bool = False) -> Place:
        """Return where a value (or its key) stands; a part that only a short form left out is passed over."""
        at: Loc = ()
        for part in loc:
            if (*at, part) in self.values:
                at = (*at, part)
        if key and at in self.keys:
            return self.keys[at]
        return self.values.get(at, Place(1, 1, self.file))


def _plain(node: Node, loc: Loc, tree: Tree) -> Any:
    if node.items is not None:
        for index, item in enumerate(node.items):
            tree.values[(*loc, index)] = item.place
        return tuple(_plain(item, (*loc, index), tree) for index, item in enumerate(node.items))
    if node.pairs is None:
        return node.scalar
    data: dict[str, Any] = {}
    for key, (place, value) in node.pairs.items():
        at = (*loc, key)
        tree.keys[at], tree.values[at] = place, value.place
        data[key] = _plain(value, at, tree)
    return data
