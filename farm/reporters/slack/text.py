"""Text of strangers as Slack's mrkdwn that mentions nobody, links nowhere and keeps to a length. It posts nothing."""

import re
from collections.abc import Sequence

SECTION = 3000
"""Characters of a section (https://docs.slack.dev/reference/block-kit/blocks/section-block), counted as UTF-16 does."""

_EVERYBODY = re.compile(r"@(?=channel|here|everyone|group)", re.IGNORECASE)


def escape(text: str) -> str:
    """Escape the three characters that mean something to Slack, and break words that could call everybody."""
    sound = text.encode("utf-8", "replace").decode()
    escaped = sound.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _EVERYBODY.sub("@\N{WORD JOINER}", escaped)


def clip(escaped: str, limit: int) -> str:
    """Cut escaped text at the limit, never inside an escape."""
    if size(escaped) <= limit:
        return escaped
    cut = escaped.encode("utf-16-le")[: 2 * (limit - 1)].decode("utf-16-le", "ignore")
    start = cut.rfind("&", max(0, len(cut) - 5))
    if start >= 0 and ";" not in cut[start:]:
        cut = cut[:start]
    return cut + "…"


def size(text: str) -> int:
    """Return how many characters Slack may count: an emoji is two."""
    return len(text.encode("utf-16-le")) // 2


def fenced(lines: Sequence[str]) -> str:
    """Return the lines in a code fence; where they are too many the last ones count, so the cut is at the front."""
    kept: list[str] = []
    room = SECTION - len("```\n\n```")
    for line in reversed(lines):
        shown = clip(escape(line.replace("```", "'''")), 500)
        if size(shown) + 1 > room:
            break
        room -= size(shown) + 1
        kept.insert(0, shown)
    return "```\n" + "\n".join(kept) + "\n```"
