"""Text of strangers as one harmless line: what a commit, a test or a log says may act on nobody's terminal or page."""

import re

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?")
# Control characters except the tab, and those of Unicode that hide, turn around or break a line.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def plain(line: str) -> str:
    """Return a line as a terminal would leave it: no escapes, no control characters, the last of overwritten texts."""
    visible = _ESCAPES.sub("", line).rstrip("\r\n").rsplit("\r", 1)[-1]
    return _CONTROLS.sub("", visible).rstrip()
