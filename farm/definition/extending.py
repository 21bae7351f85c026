"""`extends`: a job takes over what templates say, and says itself what differs. It knows no other key of a job."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce

from farm.definition.hints import nearest
from farm.definition.merging import merged, without
from farm.definition.mistakes import DefinitionError, Mistake
from farm.definition.names import PARENTS
from farm.definition.tree import NODES, Node, Pair
from farm.definition.values import shown

DEEP = 16


def extended(root: Node | None, mistakes: list[Mistake]) -> Node | None:
    """Return the definition with all jobs extended, and add what is amiss; raises DefinitionError when it is too much.

    The templates stay as they are written.
    """
    if root is None or root.pairs is None:
        return root
    templates = root.pairs.get("templates")
    extension = _Extension((templates.node.pairs if templates else None) or {}, mistakes)
    for name in extension.templates:
        extension.template(name, ())
    if "test" not in root.pairs:
        return root
    place, test = root.pairs["test"]
    if test.pairs and (jobs := test.pairs.get("jobs")) and jobs.node.pairs:
        whole = {name: Pair(at, extension.whole(job)) for name, (at, job) in jobs.node.pairs.items()}
        jobs = jobs._replace(node=Node(jobs.node.place, pairs=whole, complete=True))
        test = Node(test.place, pairs=test.pairs | {"jobs": jobs}, complete=True)
    return Node(root.place, pairs=root.pairs | {"test": Pair(place, extension.whole(test))}, complete=True)


@dataclass(slots=True)
class _Extension:
    templates: dict[str, Pair]
    mistakes: list[Mistake]
    done: dict[str, Node] = field(default_factory=dict)
    heights: dict[str, int] = field(default_factory=dict)
    """How many templates stand on each other, this one at the top."""
    size: int = 0

    def whole(self, node: Node, above: Sequence[str] = ()) -> Node:
        """Return a job (or a template below others) with all that it extends: its own keys, then the last one named."""
        if node.pairs is None or "extends" not in node.pairs:
            return node
        named = [name for parent, name in _named(node.pairs["extends"].node) if self.sound(parent, name, above)]
        made = reduce(merged, [*(without(self.done[name], "extends") for name in named), node])
        if above:
            self.heights[above[-1]] = 1 + max((self.heights.get(name, 1) for name in named), default=0)
        self.size += made.size
        if self.size > NODES:
            message = f"more than {NODES} values, templates counted wherever they are used"
            raise DefinitionError([*self.mistakes, Mistake.at(node.pairs["extends"].place, message)])
        return made

    def template(self, name: str, above: Sequence[str]) -> None:
        if name not in self.done:
            self.done[name] = self.whole(self.templates[name].node, (*above, name))

    def sound(self, parent: Node, name: str, above: Sequence[str]) -> bool:
        """Say whether a template can be taken over, and make it whole, else say why not."""
        if name in above:
            circle = " -> ".join(shown(each) for each in (*above[above.index(name) :], name))
            return self.wrong(parent, f"these templates extend each other: {circle}")
        if name not in self.templates:
            close = nearest(name, self.templates)
            known = f"known: {', '.join(shown(each) for each in list(self.templates)[:20])}" if self.templates else ""
            hint = f'did you mean "{close}"?' if close else known or "there is none; write templates: with one below it"
            return self.wrong(parent, f'there is no template "{shown(name)}"', hint)
        if len(above) < DEEP:
            self.template(name, above)
        if len(above) >= DEEP or self.heights.get(name, 1) >= DEEP:
            return self.wrong(parent, f"templates extend each other more than {DEEP} deep")
        return True

    def wrong(self, node: Node, message: str, hint: str = "") -> bool:
        self.mistakes.append(Mistake.at(node.place, message, hint))
        return False


def _named(node: Node) -> Iterator[tuple[Node, str]]:
    """Give the names in `extends`, each with its node; what has no proper shape is the validator's to tell."""
    for item in ([node] if node.items is None else node.items)[:PARENTS]:
        if isinstance(item.scalar, str):
            yield item, item.scalar
