"""Reading a definition: text in, definition out, or every mistake at once. It opens no file."""

from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from farm.definition.document import Document
from farm.definition.hints import nearest, sentence
from farm.definition.meaning import check
from farm.definition.mistakes import DefinitionError, Mistake
from farm.definition.models import Definition
from farm.definition.tree import Loc, Tree, load

HINTED = 200
KEY = "[key]"


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
        mistakes += _mistakes(error, tree)
    for loc, message, hint in check(tree.data):
        mistakes.append(Mistake(*tree.place(loc), message, hint, name))
    if mistakes:
        raise DefinitionError(list(dict.fromkeys(mistakes)))
    return document.resolve()


def _mistakes(error: ValidationError, tree: Tree) -> list[Mistake]:
    """Return what the validator found, without what only echoes another mistake."""
    errors = [found for found in error.errors(include_url=False) if not _echo(found)]
    meant = {
        (*found["loc"][:-1], nearest(str(found["loc"][-1]), _known(found["loc"][:-1])))
        for found in errors[:HINTED]
        if found["type"] == "extra_forbidden"
    }
    taken = {(mistake.line, mistake.column) for mistake in tree.mistakes}
    mistakes = [
        _mistake(found, tree, hinted=index < HINTED)
        for index, found in enumerate(errors)
        if found["type"] != "missing" or found["loc"] not in meant
    ]
    return [mistake for mistake in mistakes if (mistake.line, mistake.column) not in taken]


def decoded(content: bytes, name: str) -> str:
    """Return a file's text; raises DefinitionError where it is no UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise DefinitionError([Mistake(*place, "this is no UTF-8 text", "save the file as UTF-8", name)]) from None


def _mistake(error: Any, tree: Tree, *, hinted: bool) -> Mistake:
    loc: Loc = tuple(error["loc"])
    about_key = loc[-1:] == (KEY,) or error["type"] in ("extra_forbidden", "missing")
    loc = loc[:-1] if loc[-1:] == (KEY,) else loc
    known = _known(loc[:-1]) if hinted else []
    message, hint = sentence(error, known)
    if error["type"] == "extra_forbidden" and len(loc) == 1 and hint.startswith("known:"):
        below = [section for section in known if loc[0] in _known((section,))]
        hint = f"it belongs below {below[0]}:" if below else hint
    return Mistake(*tree.place(loc, key=about_key), message, hint, tree.file)


def _echo(error: Any) -> bool:
    """Return whether a list only counts as too short because each of its items is reported by itself."""
    return error["type"] == "too_short" and len(error["input"]) > 0


def _known(loc: Loc) -> list[str]:
    """Return the keys that the model at a place knows."""
    at: Any = Document
    for part in loc:
        if isinstance(at, type) and issubclass(at, BaseModel):
            at = at.model_fields[str(part)].annotation if part in at.model_fields else None
        else:
            at = get_args(at)[-1 if get_origin(at) is dict else 0]
        at = _bare(at)
    return list(at.model_fields) if isinstance(at, type) and issubclass(at, BaseModel) else []


def _bare(kind: Any) -> Any:
    """Strip `Annotated` and `| None` from a type."""
    while hasattr(kind, "__metadata__") or type(None) in get_args(kind):
        kind = get_args(kind)[0]
    return kind
