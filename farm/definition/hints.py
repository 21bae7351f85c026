"""What a parser or validator found becomes one sentence for a person, with a hint. It decides nothing."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import yaml

from farm.definition.mistakes import Mistake
from farm.definition.values import kind, shown

_SYNTAX = (
    ("cannot start any token", "\t", "a tab stands where YAML wants spaces", "indent with spaces"),
    ("cannot start any token", "", "YAML keeps this character for itself", "put the whole value in quotes"),
    ("mapping values are not allowed", "", "a second `: ` in one value", "put the whole value in quotes"),
    ("could not find expected ':'", "", "a key without its `:`", "write key: value"),
    ("unexpected end of stream", "", "a quote without its end", "close it"),
    ("unknown escape character", "", "an unknown escape in double quotes", "use single quotes, or write \\\\"),
    ("did not find expected ',' or ']'", "", "a list in brackets without its end", "close it with ]"),
    (
        "did not find expected ',' or '}'",
        "",
        "a mapping in braces without its end",
        "text with braces is put in quotes",
    ),
    (
        "did not find expected key",
        "",
        "this line fits neither the lines above nor a value",
        "look at indentation and quotes",
    ),
    ("did not find expected '-' indicator", "", "a list goes on without `- `", "look at indentation and quotes"),
    ("block sequence entries are not allowed", "", "a list cannot begin here", "begin it on a line of its own"),
    ("did not find expected <document start>", "", "the definition has ended before this line", "look at indentation"),
)
_MAPPING = ("a mapping is expected here, not {found}", "write key: value lines below it")
_EMPTY = ("this is empty", "remove the key, or say something")
_SENTENCES = {
    "missing": ('the key "{key}" is missing', ""),
    "model_type": _MAPPING,
    "dict_type": _MAPPING,
    "tuple_type": ("a list is expected here, not {found}", "write - value lines below it"),
    "int_type": ("a whole number is expected here, not {found}", ""),
    "too_long": ("more than {most} of these", ""),
    "too_short": _EMPTY,
    "string_too_short": _EMPTY,
    "string_too_long": ("this is too long", ""),
}


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the hint for a word that is not known."""
    known = list(known)
    close = get_close_matches(word[:64].lower(), known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known: {', '.join(known)}" if known else ""


def syntax(error: yaml.YAMLError, source: str, file: str) -> Mistake:
    """Return the mistake for text that is no YAML."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Mistake(1, 1, "a character that YAML does not allow", "the file is plain UTF-8 text", file)
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = error.problem or "this is no YAML"
    lines = source.splitlines()
    here = lines[line - 1][column - 1 : column] if line <= len(lines) else ""
    for words, character, message, hint in _SYNTAX:
        if words in problem and (not character or character == here):
            return Mistake(line, column, message, hint, file)
    return Mistake(line, column, problem, "this is no YAML", file)


def sentence(error: Mapping[str, Any], known: Iterable[str]) -> tuple[str, str]:
    """Return message and hint for one error of the validator; `known` are the keys that its place knows."""
    context = error.get("ctx", {})
    key = shown(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "farm":
        return context["message"], context["hint"]
    if error["type"] == "extra_forbidden":
        return f'unknown key "{key}"', nearest(key, known)
    if error["type"] == "literal_error":
        allowed = re.findall(r"'([^']+)'", str(context["expected"]))
        return f"{kind(error['input'])} is not one of {', '.join(allowed)}", nearest(str(error["input"]), allowed)
    message, hint = _SENTENCES.get(error["type"], (str(error["msg"]).replace("{", "{{").replace("}", "}}"), ""))
    return message.format(key=key, found=kind(error["input"]), most=context.get("max_length")), hint
