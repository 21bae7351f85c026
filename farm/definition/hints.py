"""What a parser or validator found becomes one sentence for a person, with a hint. It decides nothing."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache, partial
from heapq import nlargest
from itertools import pairwise
from typing import Any

import yaml

from farm.definition.mistakes import Mistake, lines
from farm.definition.values import kind, shown

_LIKELY = 10  # names that are looked at closely
_LOOK = "look at indentation and quotes"
# What PyYAML says (or begins to say), and for some the character that it stumbled over; what a person reads instead.
_SYNTAX = (
    ("cannot start any token", "\t", "a tab stands where YAML wants spaces", "indent with spaces"),
    ("cannot start any token", "", "YAML keeps this character for itself", "put the whole value in quotes"),
    ("mapping values are not allowed", "", "a second `: ` in one value", "put the whole value in quotes"),
    ("found a tab character", "", "a tab stands where YAML wants spaces", "indent with spaces"),
    ("could not find expected ':'", "", "a key without its `:`", "write key: value"),
    ("unexpected end of stream", "", "a quote without its end", "close it"),
    ("unknown escape character", "", "an unknown escape in double quotes", "use single quotes, or write \\\\"),
    ("did not find expected ',' or ']'", "", "a list in brackets without its end", "close it with ]"),
    ("did not find expected ',' or '}'", "", "a mapping in braces without its end", "close it with }"),
    ("did not find expected whitespace or line break", "", "YAML takes this for a tag", "put text with ! in quotes"),
    ("did not find expected key", "", "this fits neither the lines above nor a value", _LOOK),
    ("did not find expected '-' indicator", "", "a list goes on without `- `", _LOOK),
    ("block sequence entries are not allowed", "", "a list cannot begin here", "begin it on a line of its own"),
    ("did not find expected <document start>", "", "the definition has ended before this line", "look at indentation"),
    ("did not find expected node content", "", "a value is missing here", "put text with brackets or braces in quotes"),
)
_OPENED = ("a quote without", "a list in brackets", "a mapping in braces")
_NOTHING = ("nothing stands here", "remove the key, or give it a value")
_MAPPING = ("a mapping is expected here, not {found}", "write key: value lines below it")
_SENTENCES = {
    "missing": ('the key "{key}" is missing', "write {key}: and its value"),
    "model_type": _MAPPING,
    "dict_type": _MAPPING,
    "tuple_type": ("a list is expected here, not {found}", "write - value lines below it"),
    "string_type": ("text is expected here, not {found}", "put it in quotes"),
    "float_type": ("a number is expected here, not {found}", ""),
    "greater_than": ("{found} is not more than {gt:g}", "write more"),
    "int_type": ("a whole number is expected here, not {found}", ""),
    "bool_type": ("true or false is expected here, not {found}", ""),
    "greater_than_equal": ("{found} is less than {ge}", "write {ge} or more"),
    "less_than_equal": ("{found} is more than {le}", "write {le} or less"),
    "too_long": ("more than {max_length} of these", "take some away"),
    "too_short": ("this is empty", "remove the key, or say something"),
    "string_too_short": ("this is empty", "remove the key, or say something"),
    "string_too_long": ("this is too long", "write {max_length} characters or less"),
    "string_pattern_mismatch": ("{found} has not the form that is wanted here", "it has to fit {pattern}"),
}
_PLATFORMS = (
    "images for chosen platforms cannot be built yet: an image is for the platform of the worker that builds it",
    "remove the key; what an image is for, `docker manifest inspect --verbose IMAGE` says",
)
_NOT_YET = {("build", "platforms"): _PLATFORMS, ("build", "platform"): _PLATFORMS}
# The words that other systems have for a key.
_SYNONYMS = {
    "branch": "branches",
    "commands": "script",
    "depends_on": "needs",
    "entrypoint": "command",
    "environment": "env",
    "file": "dockerfile",
    "healthcheck": "ready",
    "only": "branches",
    "path": "context",
    "run": "script",
    "steps": "script",
    "tag": "tags",
    "variables": "env",
}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant."""
    spelled = {other[:64].lower(): other for other in known}
    if not spelled:
        return None
    lower = word[:64].lower()
    if _SYNONYMS.get(lower) in spelled:
        return _SYNONYMS[lower]
    swapped = [other for other in spelled if sorted(other) == sorted(lower)]
    likely = nlargest(_LIKELY, spelled, key=partial(_alike, _pairs(lower)))
    return spelled.get(next(iter(swapped or get_close_matches(lower, likely, n=1, cutoff=0.7)), ""))


def _alike(pairs: frozenset[str], other: str) -> float:
    """Return how many pairs of letters two words share, measured by what they could: cheap, and near enough."""
    return 2 * len(pairs & _pairs(other)) / (len(pairs) + len(_pairs(other)))


@lru_cache(maxsize=1024)
def _pairs(word: str) -> frozenset[str]:
    return frozenset(first + second for first, second in pairwise(f" {word} "))


def syntax(error: yaml.YAMLError, source: str, file: str) -> Mistake:
    """Return the mistake for text that is no YAML."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Mistake(1, 1, "a character that YAML does not allow", "the file is plain UTF-8 text", file)
    problem, mark = error.problem or "this is no YAML", error.problem_mark or error.context_mark
    before, here = _around(source, mark)
    message, hint = problem, "this is no YAML"
    for words, character, *told in _SYNTAX:
        if words in problem and (not character or character == here):
            message, hint = told
            break
    if message.startswith(_OPENED) and error.context_mark:
        mark = error.context_mark
    elif message.startswith("a second") and ": " not in before:
        message, hint = "this line does not fit the one above", "a `:` is missing there, or the indentation is wrong"
    elif before.rstrip().endswith("}"):
        message, hint = "a value goes on after its }", "put text with { in quotes"
    return Mistake(mark.line + 1, mark.column + 1, message, hint, file) if mark else Mistake(1, 1, message, hint, file)


def _around(source: str, mark: Any) -> tuple[str, str]:
    all_lines = lines(source)
    if not mark or mark.line >= len(all_lines):
        return "", ""
    line = all_lines[mark.line]
    return line[: mark.column], line[mark.column : mark.column + 1]


def sentence(error: Mapping[str, Any], known: Sequence[str]) -> tuple[str, str]:
    """Return message and hint for one error of the validator; `known` are the keys that its place knows."""
    context, found = error.get("ctx", {}), error["input"]
    key = shown(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "farm":
        return context["message"], context["hint"]
    if error["type"] == "extra_forbidden" and error["loc"][:2] in _NOT_YET:
        return _NOT_YET[error["loc"][:2]]
    if error["type"] == "extra_forbidden":
        return f'unknown key "{key}"', _meant(key, known) or (f"known: {', '.join(known)}" if known else "")
    if found is None:
        return _NOTHING
    if error["type"] == "literal_error":
        allowed = re.findall(r"'([^']+)'", str(context["expected"]))
        return f"{kind(found)} is not one of {', '.join(allowed)}", _meant(str(found), allowed)
    kind_of = "string_too_long" if error["type"] == "too_long" and isinstance(found, str) else error["type"]
    message, hint = _SENTENCES.get(kind_of, ("{msg}", ""))
    if error["type"] == "dict_type" and isinstance(found, tuple):
        hint = "write key: value lines, without `- `"
    if error["type"] == "int_type" and isinstance(found, str) and found.isdecimal():
        hint = "take away the quotes"
    if str(context.get("pattern", "")).startswith("^https?://"):
        hint = "write a URL that begins with http:// or https://, without a user's name in it"
    words = {"key": key, "found": kind(found), "msg": context.get("error") or error["msg"], **context}
    return message.format(**words), hint.format(**words)


def _meant(word: str, known: Iterable[str]) -> str:
    close = nearest(word, known)
    return f'did you mean "{close}"?' if close else ""
