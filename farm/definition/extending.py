"""`extends`: a job takes over what templates say, and says itself what differs. It knows no other key of a job."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce

from farm.definition.composing import NODES
from farm.definition.hints import nearest
from farm.definition.merging import merged, without
from farm.definition.mistakes import DefinitionError, Mistake
from farm.definition.names import PARENTS
from farm.definition.tree import Loc, Node, Pair
from farm.definition.values import shown

DEEP = 16
HINTED = 200  # mistakes with the nearest name


def extended(root: Node | None, mistakes: list[Mistake], *, whole: bool) -> tuple[Node | None, set[Loc]]:
    """Return the definition with all jobs extended, and the places of what lacks a template; add what is amiss.

    The templates stay as they are written. Of what is not whole everything may lack some, so that none is missed.
    Raises DefinitionError when it is too much.
    """
    lacking: set[Loc] = set() if whole else {()}
    if root is None or root.pairs is None:
        return root, lacking
    templates = root.pairs.get("templates")
    extension = _Extension((templates.node.pairs if templates else None) or {}, mistakes, whole)
    for name in extension.templates:
        extension.template(name, ())
    if "test" not in root.pairs:
        return root, lacking
    place, test = root.pairs["test"]
    if test.pairs and (jobs := test.pairs.get("jobs")) and jobs.node.pairs:
        made = {name: extension.whole(job) for name, (_, job) in jobs.node.pairs.items()}
        lacking |= {("test", "jobs", name) for name, (_, lacks) in made.items() if lacks}
        pairs = {name: Pair(at, made[name][0]) for name, (at, _) in jobs.node.pairs.items()}
        jobs = jobs._replace(node=Node(jobs.node.place, pairs=pairs, complete=True))
        test = Node(test.place, pairs=test.pairs | {"jobs": jobs}, complete=True)
    test, lacks = extension.whole(test)
    lacking |= {("test",)} if lacks else set()
    return Node(root.place, pairs=root.pairs | {"test": Pair(place, test)}, complete=True), lacking


@dataclass(slots=True)
class _Extension:
    templates: dict[str, Pair]
    mistakes: list[Mistake]
    known: bool
    """Whether all templates are known that there are."""
    done: dict[str, Node] = field(default_factory=dict)
    heights: dict[str, int] = field(default_factory=dict)
    """How many templates stand on each other, this one at the top."""
    size: int = 0
    lacking: set[str] = field(default_factory=set)
    """The templates of which a part could not be had."""

    def whole(self, node: Node, above: Sequence[str] = ()) -> tuple[Node, bool]:
        """Return a job (or a template below others) with all that it extends, and whether some of that is lacking.

        Its own keys go first, then those of the last one named.
        """
        if node.pairs is None or "extends" not in node.pairs:
            return node, False
        parents = list(_named(node.pairs["extends"].node))
        named = [name for parent, name in parents if self.sound(parent, name, above)]
        made = reduce(merged, [*(without(self.done[name], "extends") for name in named), node])
        if above:
            self.heights[above[-1]] = 1 + max((self.heights.get(name, 1) for name in named), default=0)
        self.size += made.size
        if self.size > NODES:
            message = f"more than {NODES} values, templates counted wherever they are used"
            raise DefinitionError([*self.mistakes, Mistake.at(node.pairs["extends"].place, message)])
        return made, not parents or len(named) < len(parents) or not self.lacking.isdisjoint(named)

    def template(self, name: str, above: Sequence[str]) -> None:
        if name not in self.done:
            self.done[name], lacks = self.whole(self.templates[name].node, (*above, name))
            self.lacking |= {name} if lacks else set()

    def sound(self, parent: Node, name: str, above: Sequence[str]) -> bool:
        """Say whether a template can be taken over, and make it whole, else say why not."""
        if name in above:
            circle = " -> ".join(shown(each) for each in (*above[above.index(name) :], name))
            return self.wrong(parent, f"these templates extend each other: {circle}")
        if name not in self.templates and not self.known:
            return False
        if name not in self.templates:
            close = nearest(name, self.templates) if len(self.mistakes) < HINTED else None
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
