"""How commit messages name stories."""

import pytest

from farm.reporters.tracker import Act, Mention
from farm.reporters.tracker.syntax import bracketed, smart, unbracketed, worded

M, F, D = Act.MENTION, Act.FINISH, Act.DELIVER


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("[#13378337 delivers] VAT", [("13378337", D)]),
        ("VAT [Delivers #1]", [("1", D)]),
        ("[DELIVERED #1 #2, #3]", [("1", D), ("2", D), ("3", D)]),
        ("[#1] and [#2 fixes] and [completed #3] [finishes #4]", [("1", M), ("2", F), ("3", F), ("4", F)]),
        ("[#1] later [finish #1] last [#1]", [("1", F)]),
        ("line one\n\nbody\n[#7\n#8 fixed]", [("7", F), ("8", F)]),
        ("[fixes #1 delivers]", []),
        ("[#1 fixes #2]", []),
        ("[see #1]", []),
        ("[#1 and #2]", []),
        ("[fixes]", []),
        ("fixes #1", []),
        ("[]", []),
        ("[[#5]]", [("5", M)]),
        ("[ci skip] [#5]", [("5", M)]),
    ],
)
def test_stories_in_brackets(message, found):
    assert bracketed(message) == tuple(Mention(story, act) for story, act in found)


def test_a_message_without_verbs():
    message = "Round VAT [delivers #1 #2] [#3] [ci skip] [fixes #4]"
    assert unbracketed(message, lambda story: story not in ("2", "4")) == "Round VAT [#1] [#3] [ci skip]"


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("Closes #12", [("#12", D)]),
        ("fix: #3", [("#3", D)]),
        ("Fixed acme/thyme#3, #4 and #5", [("acme/thyme#3", D), ("#4", D), ("#5", D)]),
        ("Resolving issues #1 and #2", [("#1", D), ("#2", D)]),
        ("Finishes #9, see #8", [("#9", F), ("#8", M)]),
        ("Part of #12", [("#12", M)]),
        ("Closes #12, part of #12", [("#12", D)]),
        ("prefix #1", [("#1", M)]),
        ("foo#1x &#39;", []),
        ("group/sub/name#4", [("group/sub/name#4", M)]),
    ],
)
def test_issues_in_words(message, found):
    assert worded(message) == tuple(Mention(issue, act) for issue, act in found)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("THY-7 Round VAT", [("THY-7", M, "")]),
        ("THY-7 #done", [("THY-7", D, "")]),
        ("THY-7 THY-8 #comment well #ready-for-qa", [("THY-7", D, "ready-for-qa"), ("THY-8", D, "ready-for-qa")]),
        ("THY-7 #time 2h #fixed", [("THY-7", F, "")]),
        ("UTF-8 XTHY-1 THY-1x sha-THY-9", []),
        ("#done THY-7", []),
        ("THY-1 #close\nTHY-2", [("THY-1", D, ""), ("THY-2", M, "")]),
        ("THY-5 costs #5", [("THY-5", M, "")]),
    ],
)
def test_smart_commits(message, found):
    assert smart(message, "THY") == tuple(Mention(*each) for each in found)
