"""What a person who pushed reads: a few plain lines for each push. They are composed here and printed by the hook."""

from collections.abc import Sequence
from dataclasses import dataclass

from farm.pipeline import Status
from farm.plain import plain
from farm.push import Push
from farm.refs import short

REFS = 5  # refs of one `git push` that get lines of their own
MESSAGES = 10  # mistakes of a definition that are printed
OPTIONS = ("farm.skip", "farm.watch", "farm.var")
SUBJECT = 72  # characters of a subject that are shown


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one push by now; PENDING with no stages is a push that nobody has looked at yet."""

    push: Push
    number: int
    status: Status = Status.PENDING
    subject: str = ""
    reason: str | None = None
    messages: Sequence[str] = ()
    """Every mistake of the definition, with its place."""
    stages: Sequence[str] = ()
    known: bool = False
    """Whether the push had been reported before."""
    waiting: str | None = None
    """Why the pipeline waits, in one sentence."""


def compose(outcomes: Sequence[Outcome], web_url: str) -> list[str]:
    """Return the lines for one `git push`: the first refs, how many more there are, and what to do next."""
    lines: list[str] = []
    for outcome in outcomes[:REFS]:
        lines += _about(outcome, web_url)
    if len(outcomes) > REFS:
        lines.append(f"and {len(outcomes) - REFS} more: {web_url}/pipelines")
    unknown = {plain(option) for outcome in outcomes for option in outcome.push.options if _misspelt(option)}
    lines += [
        f"warning: the push option {option} is unknown (known: {', '.join(OPTIONS)})" for option in sorted(unknown)
    ]
    if hint := _hint(outcomes):
        lines.append(f"hint: {hint}")
    return lines


def _about(outcome: Outcome, web_url: str) -> list[str]:
    push, name = outcome.push, f"pipeline #{outcome.number}"
    ref = short(push.ref)
    subject = plain(outcome.subject)
    shown = subject if len(subject) <= SUBJECT else subject[: SUBJECT - 1] + "…"
    commit = "" if push.deleted else f" {push.new[:7]}"
    lines = [f"farm: {push.repository} {ref}{commit}" + (f' "{shown}"' if shown else "")]
    reason = f": {plain(outcome.reason)}" if outcome.reason else ""
    if outcome.status in (Status.FAILED, Status.ERRORED):
        lines += [f"error: {plain(message)}" for message in outcome.messages[:MESSAGES]]
        if len(outcome.messages) > MESSAGES:
            lines.append(f"error: and {len(outcome.messages) - MESSAGES} more mistakes")
        lines.append(f"error: {name} {outcome.status}{reason}")
    elif outcome.status.final:
        lines.append(f"{name} {outcome.status}{reason}")
    elif outcome.known:
        lines.append(f"{name} is known already and {outcome.status}{reason}")
    elif outcome.stages:
        remark = f"; {plain(outcome.reason)}" if outcome.reason else ""
        lines.append(f"success: {name} queued ({' -> '.join(outcome.stages)}){remark}")
    elif outcome.reason:
        lines.append(f"warning: {name} waits{reason}")
    else:
        lines.append(f"success: {name} accepted")
    if outcome.waiting:
        lines.append(f"warning: {plain(outcome.waiting)}")
    return [*lines, f"  {web_url}/pipelines/{outcome.number}"]


def _misspelt(option: str) -> bool:
    """Return whether an option is meant for the farm, and is none of its own; others may be another hook's."""
    return option.startswith("farm") and option.partition("=")[0] not in OPTIONS


def _hint(outcomes: Sequence[Outcome]) -> str | None:
    live = [outcome.number for outcome in outcomes if not outcome.status.final]
    if live:
        options = (
            "" if all(outcome.push.by_hand for outcome in outcomes) else "  |  git push -o farm.watch  |  -o farm.skip"
        )
        return f"farm watch {live[0]}{options}"
    mistaken = [outcome for outcome in outcomes if outcome.messages]
    if mistaken and all("there is no secret " in message for outcome in mistaken for message in outcome.messages):
        return f"farm retry {mistaken[0].number}, once it is there"  # lint has no farm to ask and would find nothing
    if mistaken:
        return "`farm lint` checks .farm.yml before the push"
    return None
