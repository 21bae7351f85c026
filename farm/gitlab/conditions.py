"""GitLab's `if`: its expressions as alternatives, each a list of comparisons. What they mean here others decide."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<variable>\$\{?\w+\}?)|(?P<text>\"[^\"]*\"|'[^']*')|(?P<regex>/(?:\\.|[^/\\\n])+/[a-z]*)"
    r"|(?P<null>null\b)|(?P<op>&&|\|\||==|!=|=~|!~|\(|\)))"
)
_MOST = 64  # alternatives


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison of a variable; `set` asks whether it has a value, and `unset` whether it has none."""

    variable: str
    does: str
    value: str
    words: str
    """How it is written."""


Alternatives = Sequence[Sequence[Comparison]]


def parsed(text: str) -> Alternatives | None:
    """Return the alternatives of a condition, or None where it is no such expression."""
    tokens, place = list[tuple[str, str]](), 0
    while place < len(text.rstrip()):
        found = _TOKEN.match(text, place)
        if found is None or found.end() == place:
            return None
        tokens.append((str(found.lastgroup), found[0].strip()))
        place = found.end()
    try:
        reader = _Reader(tokens)
        made = reader.either()
    except (IndexError, ValueError, RecursionError):
        return None
    return made if not reader.tokens else None


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens

    def either(self) -> list[list[Comparison]]:
        made = self._all()
        while self._next("||"):
            made += self._all()
        return made

    def _all(self) -> list[list[Comparison]]:
        made = self._one()
        while self._next("&&"):
            more = self._one()
            made = [[*left, *right] for left in made for right in more]
            if len(made) > _MOST:
                raise ValueError
        return made

    def _one(self) -> list[list[Comparison]]:
        if self._next("("):
            made = self.either()
            if not self._next(")"):
                raise ValueError
            return made
        kind, left = self.tokens.pop(0)
        if not self.tokens or self.tokens[0][1] not in ("==", "!=", "=~", "!~"):
            if kind != "variable":
                raise ValueError
            return [[Comparison(_bare(left), "set", "", left)]]
        does = self.tokens.pop(0)[1]
        other, right = self.tokens.pop(0)
        if kind != "variable":
            kind, left, other, right = other, right, kind, left
        if kind != "variable" or other == "op":
            raise ValueError
        words = f"{left} {does} {right}"
        if does in ("==", "!=") and (other == "null" or right in ('""', "''")):
            return [[Comparison(_bare(left), "unset" if does == "==" else "set", "", words)]]
        if (does in ("=~", "!~")) != (other == "regex"):
            raise ValueError
        value = right[1:-1] if other == "text" else right
        return [[Comparison(_bare(left), does, value, words)]]

    def _next(self, token: str) -> bool:
        if self.tokens and self.tokens[0] == ("op", token):
            self.tokens.pop(0)
            return True
        return False


def patterns(regex: str) -> list[str] | None:
    """Return a regular expression of names as patterns with `*`, or None where that cannot say it."""
    body, _, flags = regex[1:].rpartition("/")
    if flags:
        return None
    begins, ends = body.startswith("^"), body.endswith("$") and not body.endswith("\\$")
    body = body.removeprefix("^")
    body = body[:-1] if ends else body
    found = re.fullmatch(r"([^()|]*)\(?([^()]*)\)?([^()|]*)", body)
    if "|" in body and (found is None or not found[2] or body.count("(") != 1 or body.count(")") != 1):
        return None
    parts = [f"{found[1]}{part}{found[3]}" for part in found[2].split("|")] if "|" in body and found else [body]
    made = [_pattern(part) for part in parts]
    if any(each is None for each in made):
        return None
    around = [f"{'' if begins else '*'}{each}{'' if ends else '*'}" for each in made]
    return [re.sub(r"\*+", "*", each) for each in around]


def _pattern(part: str) -> str | None:
    """Return a part without alternatives as a pattern; a run of digits becomes `*`, which is a little more."""
    part = re.sub(r"\.[*+]\??", "\0", part)
    part = re.sub(r"\((?:\\d|\[0-9\])[+*]\)|(?:\\d|\[0-9\])(?:[+*]|\{[\d,]+\})?", "\0", part)
    part = re.sub(r"\\([./_-])", r"\1", part)
    return None if re.search(r"[\\^$+?()\[\]{}|*]", part) else part.replace("\0", "*")


def _bare(variable: str) -> str:
    return variable.strip("${}")
