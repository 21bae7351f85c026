"""What the validator found wrong becomes mistakes, each at its place in the file. It validates nothing itself."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from farm.definition.finding import below
from farm.definition.hints import nearest, sentence
from farm.definition.mistakes import Mistake
from farm.definition.tree import Loc, Tree

HINTED = 200
KEY = "[key]"

Model = type[BaseModel]


def placed(
    error: ValidationError,
    tree: Tree,
    model: Model,
    *,
    lacking: Collection[Loc] = (),
    above: Loc = (),
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> list[Mistake]:
    """Return what the validator of a model found, without what only echoes another mistake.

    What lies at the lacking places may lack keys; `above` is the place of what was validated; `elsewhere`
    has hints for keys that are none here.
    """
    errors: list[dict[str, Any]] = [
        {**found, "loc": above + found["loc"]}
        for found in error.errors(include_url=False)
        if not _echo(found) and not (found["type"] == "missing" and below(above + found["loc"], lacking))
    ]
    meant = {
        (*found["loc"][:-1], nearest(str(found["loc"][-1]), _known(model, found["loc"][:-1])))
        for found in errors[:HINTED]
        if found["type"] == "extra_forbidden"
    }
    taken = {mistake.place for mistake in tree.mistakes}
    mistakes = [
        _mistake(found, tree, model, elsewhere if index < HINTED else None)
        for index, found in enumerate(errors)
        if found["type"] != "missing" or found["loc"] not in meant
    ]
    return [mistake for mistake in mistakes if mistake.place not in taken]


def _mistake(error: Any, tree: Tree, model: Model, elsewhere: Mapping[str, str] | None) -> Mistake:
    """Return one with the keys that are known there as its hint; without `elsewhere` none are looked up."""
    loc: Loc = tuple(error["loc"])
    about_key = loc[-1:] == (KEY,) or error["type"] in ("extra_forbidden", "missing")
    loc = loc[:-1] if loc[-1:] == (KEY,) else loc
    known = _known(model, loc[:-1]) if elsewhere is not None else []
    message, hint = sentence(error, known)
    if error["type"] == "extra_forbidden" and hint.startswith("known:"):
        home, other = _home(model, loc, known), (elsewhere or {}).get(str(loc[-1]), "")
        if loc[:-1] == () and "test" in known and isinstance(error["input"], dict) and "script" in error["input"]:
            other = "a job stands by its name below test: and jobs:"
        hint = (other or home if len(loc) > 1 else home or other) or hint
    return Mistake.at(tree.place(loc, key=about_key), message, hint)


def _home(model: Model, loc: Loc, known: list[str]) -> str:
    """Return the hint for a key that is known a little deeper, nothing for another one."""
    for section in known:
        if loc[-1] in _known(model, (*loc[:-1], section)):
            return f"it belongs below {section}:"
    inside = [section for section in known[::-1] if loc[-1] in _known(model, (*loc[:-1], section, "*"))]
    return f"it belongs into one of {inside[0]}:" if inside and len(loc) > 1 else ""


def _echo(error: Any) -> bool:
    """Return whether a list only counts as too short because each of its items is reported by itself."""
    return error["type"] == "too_short" and len(error["input"]) > 0


def _known(model: Model, loc: Loc) -> list[str]:
    """Return the keys that the model at a place below another one knows."""
    at: Any = model
    for part in loc:
        if isinstance(at, type) and issubclass(at, BaseModel):
            at = at.model_fields[str(part)].annotation if part in at.model_fields else None
        else:
            at = next(iter(get_args(at)[-1 if get_origin(at) in (dict, Mapping) else 0 :]), None)
        at = _bare(at)
    return list(at.model_fields) if isinstance(at, type) and issubclass(at, BaseModel) else []


def _bare(kind: Any) -> Any:
    """Strip `Annotated` and `| None` from a type."""
    while hasattr(kind, "__metadata__") or type(None) in get_args(kind):
        kind = get_args(kind)[0]
    return kind
