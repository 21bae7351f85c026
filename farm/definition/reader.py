"""Reading a definition: text in, definition out, or every mistake at once. It opens no file."""

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

from pydantic import ValidationError

from farm.definition.document import Document
from farm.definition.elsewhere import ELSEWHERE
from farm.definition.extending import extended
from farm.definition.files import ALONE, Files
from farm.definition.finding import Finding
from farm.definition.including import included
from farm.definition.meaning import check
from farm.definition.mistakes import DefinitionError, Mistake
from farm.definition.models import Definition
from farm.definition.placing import HINTED, placed
from farm.definition.secrets import doubled
from farm.definition.server import Server
from farm.definition.tree import Tree

MOST = 1000  # findings


def parse(text: str | bytes, name: str = ".farm.yml", files: Files = ALONE, server: Server | None = None) -> Definition:
    """Return the definition that a text holds; raises DefinitionError with all of its mistakes.

    What it includes is taken from `files`, those of its own repository. An empty text is a definition too: built,
    nothing tested. What only the server knows is checked against it, if it is given.
    """
    tree = Tree(file=name)
    root, whole = included(text, name, files, tree.mistakes)
    root, lacking = extended(root, tree.mistakes, whole=whole)
    tree.put(root)
    document = Document()
    mistakes = list(tree.mistakes)
    try:
        if tree.data is not None:
            document = Document.model_validate(_without_templates(tree.data))
    except ValidationError as error:
        mistakes += placed(error, tree, Document, lacking=lacking, elsewhere=ELSEWHERE)
    mistakes += _templates(tree)
    findings = chain(check(tree.data), doubled(tree.data), server.check(tree.data) if server else ())
    sure = islice((found for found in findings if found.sure(lacking)), MOST)
    mistakes += [_mistake(found, tree, hinted=index < HINTED) for index, found in enumerate(sure)]
    if mistakes:
        raise DefinitionError(mistakes)
    return document.resolve()


def _mistake(found: Finding, tree: Tree, *, hinted: bool) -> Mistake:
    hint = found.hint if isinstance(found.hint, str) else found.hint() if hinted else ""
    return Mistake.at(tree.place(found.loc), found.message, hint)


def _without_templates(data: Any) -> Any:
    return {key: value for key, value in data.items() if key != "templates"} if isinstance(data, dict) else data


def _templates(tree: Tree) -> Iterator[Mistake]:
    """Give what is wrong in templates; what is missing in one may stand in the job that extends it."""
    if not isinstance(tree.data, Mapping) or "templates" not in tree.data:
        return
    try:
        Document.model_validate({"templates": tree.data["templates"]})
    except ValidationError as error:
        yield from placed(error, tree, Document, lacking={()}, elsewhere=ELSEWHERE)
