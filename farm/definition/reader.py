"""Reading a definition: text in, definition out, or every mistake at once. It opens no file."""

from pydantic import ValidationError

from farm.definition.document import Document
from farm.definition.meaning import check
from farm.definition.mistakes import DefinitionError, Mistake
from farm.definition.models import Definition
from farm.definition.placing import placed
from farm.definition.tree import load


def parse(text: str | bytes, name: str = ".farm.yml") -> Definition:
    """Return the definition that a text holds; raises DefinitionError with all of its mistakes.

    An empty text is a definition too: built, nothing tested.
    """
    tree = load(decoded(text, name) if isinstance(text, bytes) else text, name)
    mistakes = list(tree.mistakes)
    document = Document()
    try:
        if tree.data is not None:
            document = Document.model_validate(tree.data)
    except ValidationError as error:
        mistakes += placed(error, tree, Document)
    for loc, message, hint in check(tree.data):
        mistakes.append(Mistake(*tree.place(loc), message, hint, name))
    if mistakes:
        raise DefinitionError(list(dict.fromkeys(mistakes)))
    return document.resolve()


def decoded(content: bytes, name: str) -> str:
    """Return a file's text; raises DefinitionError where it is no UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise DefinitionError([Mistake(*place, "this is no UTF-8 text", "save the file as UTF-8", name)]) from None
