"""YAML text becomes nodes, each with its place. It knows YAML, and nothing of definitions.

It goes through YAML's events one by one, so that a bomb (aliases, depth, size) is refused before it is unpacked.
Keys are always text.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.events import AliasEvent, MappingStartEvent, NodeEvent, ScalarEvent, SequenceStartEvent

from farm.definition.hints import syntax
from farm.definition.mistakes import DefinitionError, Mistake, Place, lines
from farm.definition.scalars import Cut, resolve
from farm.definition.tree import Node, Pair, Tree
from farm.definition.values import shown

BYTES = 256 * 1024
DEPTH = 32
NODES = 10_000

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def load(source: str, file: str) -> Tree:
    """Read one YAML document; raises DefinitionError when it cannot be read to its end."""
    tree = Tree(file=file)
    tree.put(compose(source, file, tree.mistakes))
    return tree


def compose(source: str, file: str, mistakes: list[Mistake]) -> Node | None:
    """Return the root of one YAML document and add what is amiss in it; raises DefinitionError as `load` does."""
    if len(source.encode(errors="surrogatepass")) > BYTES:
        message = f"the file is larger than {BYTES // 1024} KiB"
        raise DefinitionError([*mistakes, Mistake.at(Place(1, 1, file), message)])
    return _Composer(source.removeprefix("\ufeff"), file, mistakes).document()


def decoded(content: bytes, name: str) -> str:
    """Return a file's text; raises DefinitionError where it is no UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"), name)
        raise DefinitionError([Mistake.at(place, "this is no UTF-8 text", "save the file as UTF-8")]) from None


class _Composer:
    """Builds nodes from events; it knows where they stand and what is amiss with them."""

    def __init__(self, source: str, file: str, mistakes: list[Mistake]) -> None:
        self.source = source
        self.lines = lines(source)
        self.file = file
        self.mistakes = mistakes
        self.anchors: dict[str, Node] = {}

    def document(self) -> Node | None:
        try:
            self.events = self._events()
            event = next(self.events, None)
            root = self.node(event, 0) if event else None
            extra = next(self.events, None)
        except yaml.YAMLError as error:
            raise DefinitionError([*self.mistakes, syntax(error, self.source, self.file)]) from None
        if extra:
            raise self.refuse(self.place(extra), "a second document begins here", "one file holds one definition")
        return root

    def _events(self) -> Iterator[Any]:
        loader: Any = yaml.CSafeLoader(self.source)
        try:
            while loader.check_event():
                event = loader.get_event()
                if isinstance(event, NodeEvent | yaml.MappingEndEvent | yaml.SequenceEndEvent):
                    yield event
        finally:
            loader.dispose()

    def refuse(self, place: Place, message: str, hint: str = "") -> DefinitionError:
        return DefinitionError([*self.mistakes, Mistake.at(place, message, hint)])

    def wrong(self, place: Place, message: str, hint: str = "") -> None:
        self.mistakes.append(Mistake.at(place, message, hint))

    def node(self, event: Any, depth: int) -> Node:
        place = self.place(event)
        if depth > DEPTH:
            raise self.refuse(place, f"nested more than {DEPTH} levels deep")
        if isinstance(event, AliasEvent):
            return self.alias(event, place)
        if event.tag and event.tag != "!":
            self.wrong(
                place, f"the tag {event.tag.replace('tag:yaml.org,2002:', '!!')} has no meaning here", "remove it"
            )
        node = Node(place)
        if event.anchor:
            self.anchors[event.anchor] = node
        if isinstance(event, ScalarEvent):
            node.scalar = self.scalar(event, place)
        elif isinstance(event, SequenceStartEvent):
            node.items = []
            while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
                node.items.append(self.count(node, self.node(event, depth + 1)))
        elif isinstance(event, MappingStartEvent):
            self.pairs(node, depth)
        node.complete = True
        return node

    def alias(self, event: Any, place: Place) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            raise self.refuse(place, f"the alias *{event.anchor} is used before its anchor &{event.anchor}")
        if not node.complete:
            raise self.refuse(place, f"the alias *{event.anchor} stands inside what it names")
        return node

    def pairs(self, node: Node, depth: int) -> None:
        node.pairs, merged = {}, list[Node]()
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            self.pair(node, event, depth, merged)
        for source in merged:
            for key, pair in (source.pairs or {}).items():
                node.pairs.setdefault(key, pair)

    def pair(self, node: Node, event: Any, depth: int, merged: list[Node]) -> None:
        assert node.pairs is not None  # noqa: S101 - the caller made it
        place = self.place(event)
        key = event.value if isinstance(event, ScalarEvent) else None
        first = self.node(event, depth + 1)
        value = self.count(node, self.node(next(self.events), depth + 1))
        if key is None and isinstance(first.scalar, str):
            key = first.scalar
        if key is None:
            self.wrong(place, "a key must be text, not a list or a mapping")
        elif key == "<<" and isinstance(event, ScalarEvent) and not event.style:
            merged += self.sources(place, value)
        elif key in node.pairs:
            hint = f"first in line {node.pairs[key].place.line}"
            self.wrong(place, f'the key "{shown(key)}" stands here twice', hint)
        else:
            node.pairs[key] = Pair(place, value)

    def sources(self, place: Place, value: Node) -> Iterator[Node]:
        for source in [value] if value.items is None else value.items:
            if source.pairs is None:
                self.wrong(place, "<< takes a mapping or a list of mappings", "write <<: *name")
            else:
                yield source

    def count(self, node: Node, child: Node) -> Node:
        node.size += child.size
        if node.size > NODES:
            raise self.refuse(node.place, f"more than {NODES} values, aliases counted in full")
        return child

    def scalar(self, event: ScalarEvent, place: Place) -> Any:
        if _CONTROL.search(event.value):
            self.wrong(place, "a control character stands in this text", "remove it")
        if event.style or event.tag:
            return event.value
        self.joined(event)
        value = resolve(event.value)
        return Cut(value) if isinstance(value, str) and self.commented(event.end_mark) else value

    def joined(self, event: Any) -> None:
        """Tell a list that YAML takes for more of the text in front of it: `script: first`, and `- second` below."""
        for number in range(event.start_mark.line + 1, min(event.end_mark.line + 1, len(self.lines))):
            line = self.lines[number]
            if line.lstrip().startswith("- "):
                place = Place(number + 1, len(line) - len(line.lstrip()) + 1, self.file)
                hint = "write the first item with `- ` on a line of its own, or put the whole text in quotes"
                self.wrong(place, "this is no list, but more of the text in front of it", hint)
                return

    def place(self, event: Any) -> Place:
        return Place(event.start_mark.line + 1, event.start_mark.column + 1, self.file)

    def commented(self, mark: Any) -> bool:
        """Say whether a comment begins behind a plain scalar."""
        rest = self.lines[mark.line][mark.column :] if mark.line < len(self.lines) else ""
        return rest.lstrip(" \t").startswith("#")
