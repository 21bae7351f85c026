"""Names in a definition: paths, images, hosts, variables. Each has its rule, its JSON Schema and a hint.

Whether what they name exists is not known here.
"""

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BeforeValidator, WithJsonSchema

from farm.definition.values import kind, shown, some, text, wrong


def _matching(pattern: str, what: str, hint: str, limit: int = 255) -> Callable[[object], object]:
    rule = re.compile(pattern)

    def check(value: object) -> object:
        value = text(value)
        if not isinstance(value, str) or len(value) > limit or not rule.fullmatch(value):
            raise wrong(f"{kind(value)} is no {what}", hint)
        return value

    return check


def _schema(pattern: str, limit: int = 255) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$", "maxLength": limit})


def _rule(pattern: str, what: str, hint: str, limit: int = 255) -> tuple[BeforeValidator, WithJsonSchema]:
    return BeforeValidator(_matching(pattern, what, hint, limit)), _schema(pattern, limit)


_PATH = r"(?!/)(?!(?:.*/)?\.\.(?:/|$))[^\x00-\x1f\\]+"
Inside = Annotated[str, *_rule(_PATH, "path inside the repository", "no leading / and no .. in it", 1024)]

_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
ImageName = Annotated[
    str, *_rule(_NAME, "name of an image", "lower-case letters, digits, - _ . and /; no registry and no tag", 200)
]

_REFERENCE = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
    + _NAME
    + r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_LONGEST = 255
_FILLED = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")


def is_image(value: str) -> bool:
    """Return whether a text can be the name of an image to pull."""
    return len(value) <= _LONGEST and re.fullmatch(_REFERENCE, value) is not None


def _image_template(value: object) -> object:
    if not is_image(_FILLED.sub("x", str(text(value)))):
        raise wrong(f"{kind(value)} is no image", "write it as for docker pull: postgres:16, host:5000/name:tag")
    return value


ImageTemplate = Annotated[
    str,
    BeforeValidator(_image_template),
    WithJsonSchema(
        {"type": "string", "pattern": f"^(?:{_REFERENCE}|(?=.*\\{{)[A-Za-z0-9_{{}}.:/@-]+)$", "maxLength": 255}
    ),
]

_HOST = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"


def _host(value: object) -> object:
    value = text(value)
    if isinstance(value, str) and not re.fullmatch(_HOST, value):
        fitting = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[:63].strip("-")
        hint = f'write "{fitting}"' if fitting else "lower-case letters, digits and - between them"
        raise wrong(f"{kind(value)} is no host name", hint)
    return value


HostName = Annotated[str, BeforeValidator(_host), _schema(_HOST, 63)]
HostNames = some(HostName, most=20)

_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
Variable = Annotated[str, *_rule(_VARIABLE, "name of a variable", "letters, digits and _, no digit first")]

_SECRET = rf"(?![Ff][Aa][Rr][Mm]_){_VARIABLE}"
_Secret = Annotated[
    str, *_rule(_SECRET, "name of a secret", "letters, digits and _, no digit first, without FARM_ in front")
]
Secrets = some(_Secret, most=50)


def is_secret(name: str) -> bool:
    """Return whether a secret can have this name."""
    return len(name) <= _LONGEST and re.fullmatch(_SECRET, name) is not None


Patterns = some(Inside, most=20)


def _files(value: object) -> object:
    if isinstance(value, str) and value.startswith("!"):
        raise wrong(f'"{shown(value)}" cannot turn a pattern round', "name it under ignore, without the !")
    return value


Files = some(Annotated[Inside, BeforeValidator(_files), _schema(rf"(?!!){_PATH}", 1024)], most=50)

_ABSOLUTE = r"(?!.*/\.\.?(?:/|$))/[^\x00-\x1f:,]*[^\x00-\x1f:,/]"
Absolute = Annotated[str, *_rule(_ABSOLUTE, "path in the container", "write it from /, such as /src", 1024)]
Absolutes = some(Absolute, most=10)

_JOB = r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?"
_JOB_HINT = "lower-case letters, digits, - and _ between them, 40 at most"
JobName = Annotated[str, *_rule(_JOB, "name of a job", _JOB_HINT, 40)]
HookName = Annotated[str, *_rule(_JOB, "name of a hook", _JOB_HINT, 40)]
TemplateName = Annotated[str, *_rule(_JOB, "name of a template", _JOB_HINT, 40)]
Needs = some(JobName, most=50)

_ANNOTATION = r"(?!farm\.)[a-z0-9](?:[a-z0-9._/-]*[a-z0-9])?"
Annotation = Annotated[
    str, *_rule(_ANNOTATION, "label of an image", "lower-case letters, digits, . / _ and -; farm. is the farm's own")
]

_LABEL = r"[a-z0-9](?:[a-z0-9_.-]{0,30}[a-z0-9])?"
Label = Annotated[str, *_rule(_LABEL, "label of a worker", "lower-case letters, digits, and - _ . between them", 32)]
Labels = some(Label, most=4)

PARENTS = 10
Parents = some(TemplateName, most=PARENTS)

_REPOSITORY = r"(?![./-])(?!.*\.\.)[^\s\x00-\x1f]+"
RepositoryName = Annotated[str, *_rule(_REPOSITORY, "name of a repository", "as it is registered in the farm", 200)]

_REVISION = r"(?!-)[^\x00-\x20\x7f~^:?*\[\\]+"
Revision = Annotated[
    str, *_rule(_REVISION, "branch, tag or commit", "a short name such as main, or a full commit", 200)
]

Sources = some(Literal["lfs", "submodules"], most=2)
