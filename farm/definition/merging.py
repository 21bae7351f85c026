"""Two values of a file become one: mappings are merged key by key, of all else the nearer one counts.

Each part keeps the place where it was written. Short forms are not spelled out: one of them is replaced as a whole.
"""

from farm.definition.tree import Node


def merged(under: Node, over: Node) -> Node:
    """Return what lies under, with what lies over it going first."""
    if under.pairs is None or over.pairs is None:
        return over
    pairs = dict(under.pairs)
    for key, pair in over.pairs.items():
        below = pairs.get(key)
        pairs[key] = pair._replace(node=merged(below.node, pair.node)) if below else pair
    return Node(over.place, pairs=pairs, size=1 + sum(pair.node.size for pair in pairs.values()), complete=True)


def without(node: Node, key: str) -> Node:
    """Return a mapping that lacks a key."""
    pairs = {other: pair for other, pair in (node.pairs or {}).items() if other != key}
    return Node(node.place, pairs=pairs, size=node.size, complete=True)
