"""`include`: other files that a definition is made of, merged below the file that names them. It opens none itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from pydantic import TypeAdapter, ValidationError

from farm.definition.composing import BYTES, NODES, compose, decoded
from farm.definition.document import Document, Include, Includes
from farm.definition.files import Files
from farm.definition.hints import nearest
from farm.definition.merging import merged, without
from farm.definition.mistakes import DefinitionError, Mistake, Place
from farm.definition.placing import placed
from farm.definition.tree import Node, Pair, Tree
from farm.definition.values import shown
from farm.errors import Refused

MOST = 30  # files, each time counted that one is included, or cannot be
DEEP = 6
HINTED = 3  # files that are not there, each looked for among all that are

_INCLUDES: TypeAdapter[tuple[Include, ...]] = TypeAdapter(Includes)


def included(text: str | bytes, name: str, files: Files, mistakes: list[Mistake]) -> tuple[Node | None, bool]:
    """Return a file with all that it includes below it, and whether that is all there is; add what is amiss.

    Raises DefinitionError where the file itself cannot be read to its end.
    """
    inclusion = _Inclusion(mistakes)
    root = inclusion.whole(text, name, files, (name,))
    return root, not inclusion.broken


@dataclass(slots=True)
class _Inclusion:
    mistakes: list[Mistake]
    broken: bool = False
    count: int = 0
    length: int = 0
    size: int = 0

    def whole(self, text: str | bytes, name: str, files: Files, above: Sequence[str]) -> Node | None:
        """Return the root of a file, merged over what it includes."""
        root = compose(decoded(text, name) if isinstance(text, bytes) else text, name, self.mistakes)
        if root is None or root.pairs is None or "include" not in root.pairs:
            return root
        below: list[Node] = []
        for at, include in self.includes(root.pairs["include"], name):
            try:
                below += self.file(at, include, files, above)
            except DefinitionError as error:
                self.broken = True
                self.mistakes += error.mistakes
            if self.spent:
                break
        return reduce(merged, [*below, root])

    @property
    def spent(self) -> bool:
        return self.count > MOST or self.length > 2 * BYTES or self.size > NODES

    def bound(self, at: Place, above: Sequence[str]) -> None:
        """Refuse to go on where it is too much."""
        if self.spent or len(above) > DEEP:
            limits = f"at most {MOST} files, {DEEP} deep, {2 * BYTES >> 10} KiB together"
            raise _wrong(at, "too much is included", limits)

    def includes(self, include: Pair, name: str) -> Sequence[tuple[Place, Include]]:
        tree = Tree(file=name)
        tree.put(Node(include.place, pairs={"include": include}))
        try:
            found = _INCLUDES.validate_python(tree.data["include"])
        except ValidationError as error:
            self.broken = True
            self.mistakes += placed(error, tree, Document, above=("include",))
            return _sound(error, tree)
        return [(tree.place(("include", index)), each) for index, each in enumerate(found)]

    def file(self, at: Place, include: Include, files: Files, above: Sequence[str]) -> Iterator[Node]:
        """Give what an included file says, without its own `include`; nothing where it is empty."""
        self.count += 1
        self.bound(at, above)
        source, content = _read(at, include, files, hinted=len(self.mistakes) < HINTED)
        title = source.title(include.file)
        if title in above:
            circle = " -> ".join([*above[above.index(title) :], title])
            self.mistakes.append(
                Mistake.at(at, f"these files include each other: {circle}", "remove one of these includes")
            )
            return
        self.length += len(content)
        self.bound(at, above)
        root = self.whole(content, title, source, (*above, title))
        if root is None:
            return
        self.size += root.size
        if self.size > NODES:
            raise _wrong(at, f"more than {NODES} values, all files together")
        if root.pairs is None:
            raise _wrong(root.place, "a mapping is expected here", "an included file has the keys of a .farm.yml")
        yield without(root, "include")


def _sound(error: ValidationError, tree: Tree) -> Sequence[tuple[Place, Include]]:
    """Return those of the written includes that nothing is wrong with."""
    wrong = {found["loc"][:1] for found in error.errors(include_url=False)}
    items = tree.data["include"]
    if () in wrong or not isinstance(items, tuple):
        return ()
    sound = [(index, item) for index, item in enumerate(items) if (index,) not in wrong]
    return [(tree.place(("include", index)), _INCLUDES.validate_python((item,))[0]) for index, item in sound]


def _wrong(place: Place, message: str, hint: str = "") -> DefinitionError:
    return DefinitionError([Mistake.at(place, message, hint)])


def _read(at: Place, include: Include, files: Files, *, hinted: bool) -> tuple[Files, bytes]:
    try:
        source = files.other(include.repository, include.ref) if include.repository else files
        content = source.read(include.file)
    except Refused as error:
        raise _wrong(at, str(error)) from None
    if content is None:
        hint = _meant(include.file, source) if hinted else ""
        raise _wrong(at, f"there is no file {shown(source.title(include.file))}", hint)
    return source, content


def _meant(path: str, files: Files) -> str:
    """Return the hint for a file that is not there: one of a name like it, or of the same name elsewhere."""
    names = sorted(files.names())[:10_000]
    same = next((name for name in names if name.rpartition("/")[2] == path.rpartition("/")[2]), None)
    close = same or nearest(path, names)
    return f"did you mean {shown(close)}?" if close else "the path begins at the root of the repository"
