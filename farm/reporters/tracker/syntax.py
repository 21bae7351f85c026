"""How commit messages name stories. It knows no tracker's state.

In brackets as Pivotal Tracker reads them, `[#13378337 delivers]`; in words as GitHub and GitLab do, `Closes #12`
(https://docs.github.com/en/issues/tracking-your-work-with-issues/using-issues/linking-a-pull-request-to-an-issue,
https://docs.gitlab.com/user/project/issues/managing_issues/#default-closing-pattern); as Jira's smart commits,
`THY-7 #done` (https://support.atlassian.com/jira-software-cloud/docs/process-issues-with-smart-commits/).
"""

import re
from collections.abc import Callable, Iterable, Sequence

from farm.reporters.tracker import Act, Mention

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_FINISH = re.compile(r"fix(es|ed)?|complete[sd]?|finish(es|ed)?", re.IGNORECASE)
_DELIVER = re.compile(r"deliver(s|ed)?", re.IGNORECASE)
_ISSUE = r"(?:[\w.-]+(?:/[\w.-]+)+)?#\d+"
_CLOSING = re.compile(
    rf"\b(?:clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|implement(?:s|ed|ing)?|deliver(?:s|ed)?)"
    rf":?\s+((?:issues?\s+)?{_ISSUE}(?:(?:\s*,\s*|\s+and\s+|\s*,\s*and\s+){_ISSUE})*)",
    re.IGNORECASE,
)
_FINISHING = re.compile(rf"\bfinish(?:es|ed)?:?\s+({_ISSUE})", re.IGNORECASE)
_ALONE = re.compile(rf"(?<![\w/&]){_ISSUE}\b")
_DONE = ("done", "close", "closed", "resolve", "resolved", "deliver", "delivers", "delivered")
_TESTED = ("finish", "finishes", "finished", "fix", "fixes", "fixed", "complete", "completes", "completed")
_STRENGTH = list(Act)


def bracketed(message: str) -> Sequence[Mention]:
    """Return what stands in brackets: one or more `#id`, and at most one verb before or after them, in any case."""
    return _strongest(mention for pair in _BRACKETS.finditer(message) for mention in _inside(pair[1]))


def unbracketed(message: str, keep: Callable[[str], bool]) -> str:
    """Return the message as a tracker may read it that acts at once: no verbs in brackets, only stories to keep."""

    def calm(pair: re.Match[str]) -> str:
        found = _inside(pair[1])
        left = [f"#{mention.story}" for mention in found if keep(mention.story)]
        return f"[{' '.join(left)}]" if left else "" if found else pair[0]

    return _BRACKETS.sub(calm, message).strip()


def worded(message: str) -> Sequence[Mention]:
    """Return the issues that a message names as GitHub and GitLab read it; `#12`, or `owner/name#12` of another."""
    found = [
        Mention(issue, act)
        for pattern, act in ((_CLOSING, Act.DELIVER), (_FINISHING, Act.FINISH), (_ALONE, Act.MENTION))
        for part in pattern.finditer(message)
        for issue in re.findall(_ISSUE, part[0])
    ]
    return _strongest(found)


def smart(message: str, project: str) -> Sequence[Mention]:
    """Return the stories of a Jira project; commands hold to the end of their line for all stories in front of them.

    `#comment` and `#time` ask nothing that the farm does; what is no verb that it knows names a transition.
    """
    found = []
    for line in message.splitlines():
        head, *commands = re.split(r"(?:^|\s)#(?=[a-z])", line, flags=re.IGNORECASE)
        keys = re.findall(rf"(?<![\w-]){re.escape(project)}-\d+\b", head)
        words = [words[0].lower() for command in commands if (words := command.split())]
        word = next((word for word in words if word not in ("comment", "time")), None)
        act = Act.MENTION if word is None else Act.FINISH if word in _TESTED else Act.DELIVER
        named = word if word and word not in (*_TESTED, *_DONE) else ""
        found += [Mention(key, act, named) for key in keys]
    return _strongest(found)


def _inside(text: str) -> list[Mention]:
    words = text.replace(",", " ").split()
    ids = [word[1:] for word in words if re.fullmatch(r"#[\w-]+", word)]
    verbs = [place for place, word in enumerate(words) if not word.startswith("#")]
    if not ids or len(ids) + len(verbs) != len(words) or len(verbs) > 1 or (verbs and 0 < verbs[0] < len(words) - 1):
        return []
    verb = words[verbs[0]] if verbs else ""
    if verb and not _FINISH.fullmatch(verb) and not _DELIVER.fullmatch(verb):
        return []
    act = Act.MENTION if not verb else Act.FINISH if _FINISH.fullmatch(verb) else Act.DELIVER
    return [Mention(story, act) for story in ids]


def _strongest(mentions: Iterable[Mention]) -> Sequence[Mention]:
    strongest: dict[str, Mention] = {}
    for mention in mentions:
        known = strongest.get(mention.story)
        if known is None or _STRENGTH.index(mention.act) > _STRENGTH.index(known.act):
            strongest[mention.story] = mention
    return tuple(strongest.values())
