"""Tags of a release as templates, and patterns of refs: checked when they are read, filled in at the release."""

import re
from fnmatch import fnmatchcase
from typing import Annotated, TypeGuard

from pydantic import BeforeValidator, WithJsonSchema

from farm.definition.values import kind, shown, some, text, wrong

FIELDS = ("branch", "tag", "short_sha", "number", "date")
_FIELD = re.compile(r"\{([^{}]*)\}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
LONGEST = 128  # the registry's own bound
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
_KNOWN = "|".join(FIELDS)
_SHAPE = rf"(?:[A-Za-z0-9_]|\{{(?:{_KNOWN})\}})(?:[A-Za-z0-9_.-]|\{{(?:{_KNOWN})\}})*"
_REF = r"[^\x00-\x20\x7f~^:\\]+"


def is_template(value: object) -> TypeGuard[str]:
    """Return whether a value can be the tag of an image, its fields not filled in."""
    return isinstance(value, str) and len(value) <= LONGEST and re.fullmatch(_SHAPE, value) is not None


def _template(value: object) -> object:
    value = text(value)
    assert isinstance(value, str)  # noqa: S101 - text() refused all else
    for name in _FIELD.findall(value):
        if name not in FIELDS:
            raise wrong(f"the tag has an unknown field {{{shown(name)}}}", f"known: {', '.join(FIELDS)}")
    if not is_template(value):
        raise wrong(f"{kind(value)} is no tag", "letters, digits, _ . - and fields such as {branch}, 128 at most")
    return value


TagTemplate = Annotated[
    str,
    BeforeValidator(_template),
    WithJsonSchema({"type": "string", "pattern": f"^{_SHAPE}$", "maxLength": LONGEST}),
]


def _ref(value: object) -> object:
    value = text(value)
    assert isinstance(value, str)  # noqa: S101 - text() refused all else
    if len(value) > 200 or not re.fullmatch(_REF, value) or value.startswith("refs/"):  # noqa: PLR2004
        raise wrong(f"{kind(value)} is no branch", "a short name such as main, or a pattern such as release/*")
    return value


RefPattern = Annotated[
    str,
    BeforeValidator(_ref),
    WithJsonSchema({"type": "string", "pattern": rf"^(?!refs/){_REF}$", "maxLength": 200}),
]


_NAME = r"(?!.*[*?\[])" + _REF


def _name(value: object) -> object:
    value = _ref(value)
    if not re.fullmatch(_NAME, str(value)):
        raise wrong(f'"{shown(value)}" is a pattern', "name one branch or git tag; several go into a list")
    return value


RefName = Annotated[
    str,
    BeforeValidator(_name),
    WithJsonSchema({"type": "string", "pattern": rf"^(?!refs/){_NAME}$", "maxLength": 200}),
]


Branches = some(RefPattern, most=50)
CacheRefs = some(RefName, most=5)
Tags = some(TagTemplate, most=20)


def reserved(tag: str) -> bool:
    """Return whether a tag is none that a build may move: a release's usual one, or one of the farm's own."""
    return tag == "latest" or re.fullmatch(r"build(cache)?(-.*)?", tag) is not None


def matches(patterns: tuple[str, ...], name: str) -> bool:
    """Return whether a branch's name matches one of the patterns; `*` stands for anything, also for slashes."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def expand(
    templates: tuple[str, ...], *, branch: str | None, tag: str | None, commit: str, number: int, date: str
) -> tuple[str, ...]:
    """Return the tags that a push gives its image, each once. A template of what this push has not is left out.

    A push of a git tag only fills templates with {tag}, so that it never moves `latest`. What a registry would not take
    (such as the slash of a branch) becomes a dash.
    """
    values = {"branch": branch, "tag": tag, "short_sha": commit[:12], "number": str(number), "date": date}
    found: dict[str, None] = {}
    for template in templates:
        names = _FIELD.findall(template)
        if any(values[name] is None for name in names) or (tag is not None and "tag" not in names):
            continue
        filled = _UNFIT.sub("-", _FIELD.sub(lambda field: str(values[field[1]]), template)).lstrip("-.")[:LONGEST]
        if _TAG.fullmatch(filled):
            found[filled] = None
    return tuple(found)
