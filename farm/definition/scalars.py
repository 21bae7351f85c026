"""What a plain scalar of YAML means here. Quoted ones are text and never come here.

Only what JSON has is no text: true, false, null (also `~` and nothing), and numbers as JSON writes them. So `on`,
`yes`, `1_000`, `010` and `12:30` are text, of which YAML 1.1 makes booleans, thousands, octal and sixty-based numbers.
"""

import math
import re
from typing import Any

_INT = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")


class Whole(int):
    """A whole number that remembers how it was written."""

    text: str


class Fraction(float):
    """A number with a fraction that remembers how it was written: 3.10 is no 3.1."""

    text: str


class Cut(str):
    """Text that a comment follows on its line. In a command with an open quote that is no comment to a person."""

    __slots__ = ()


def resolve(text: str) -> Any:
    """Return the value of a plain scalar; numbers remember how they were written."""
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INT.fullmatch(text):
        whole = Whole(text)
        whole.text = text
        return whole
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        fraction = Fraction(text)
        fraction.text = text
        return fraction
    return text
