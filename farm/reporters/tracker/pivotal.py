"""Pivotal Tracker's v5 protocol, which others speak, too. The service itself ended on 2025-04-30.

A `source_commit` makes the tracker do at once what the message says, so the farm sends it without verbs and sets the
states itself when they have come true.
"""

from collections.abc import Sequence
from typing import Any

from farm.reporters.tracker import Mention, Occasion, Unheard
from farm.reporters.tracker.asking import Asking
from farm.reporters.tracker.syntax import bracketed, unbracketed
from farm.settings import TrackerSettings

_V5 = "/services/v5"


class Pivotal:
    """The stories of the project that a token opens."""

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._asking = Asking(settings.home, lambda: {"X-TrackerToken": settings.token.reveal()})

    def read(self, message: str, repository: str) -> Sequence[Mention]:
        """Return what stands in brackets, where that is a number."""
        del repository
        return [mention for mention in bracketed(message) if mention.story.isdecimal()]

    def announce(self, mentions: Sequence[Mention], occasion: Occasion) -> Sequence[str]:
        """Send the commit with those of its stories that are there."""
        wrong = []
        for mention in mentions:
            try:
                self._story(mention, occasion)
            except Unheard as unheard:
                wrong.append((mention.story, str(unheard)))
        bad = {story for story, _ in wrong}
        if len(bad) < len(mentions):
            commit = occasion.commit
            source = {
                "commit_id": commit.id,
                "message": unbracketed(commit.message, lambda story: story.isdecimal() and story not in bad),
                "url": occasion.link,
                "author": commit.author,
            }
            document = {"source_commit": source}
            self._asking.ask("POST", f"{_V5}/source_commits", document, about=f"commit {commit.id[:7]}")
        return [sentence for _, sentence in wrong]

    def finish(self, mention: Mention, occasion: Occasion) -> None:
        """Set a story to finished, a chore to accepted, unless it is further."""
        story = self._story(mention, occasion)
        if story["current_state"] not in ("finished", "delivered"):
            self._set(story, "accepted" if story.get("story_type") == "chore" else "finished")

    def deliver(self, mention: Mention, occasion: Occasion) -> None:
        """Set a story to delivered, a chore to accepted."""
        story = self._story(mention, occasion)
        if story["current_state"] != "delivered":
            self._set(story, "accepted" if story.get("story_type") == "chore" else "delivered")

    def reopen(self, mention: Mention, occasion: Occasion, who: str) -> None:
        """Set a story to started, with a comment."""
        story = self._story(mention, occasion, closed=True)
        self._set(story, "started")
        path = f"{_V5}/projects/{story['project_id']}/stories/{story['id']}/comments"
        self._asking.ask("POST", path, {"text": rolled_back(occasion, who)}, about=_name(story["id"]))

    def test(self) -> str:
        """Ask for the name of the token's owner."""
        me = self._asking.ask("GET", f"{_V5}/me", about="the token's owner")
        return f"{self._asking.host} knows the farm as {me.get('name') or me.get('username')}"

    def _story(self, mention: Mention, occasion: Occasion, *, closed: bool = False) -> dict[str, Any]:
        story: dict[str, Any] = self._asking.ask("GET", f"{_V5}/stories/{mention.story}", about=_name(mention.story))
        project = self._settings.project_of(occasion.repository)
        if project and str(story["project_id"]) != project:
            raise Unheard(
                f"{_name(mention.story)} is in project {story['project_id']}, not in {project}, so the farm leaves it"
            )
        if story["current_state"] == "accepted" and story.get("story_type") != "chore" and not closed:
            raise Unheard(f"{_name(mention.story)} is accepted already, so the farm leaves it")
        return story

    def _set(self, story: dict[str, Any], state: str) -> None:
        if story["current_state"] != state:
            path = f"{_V5}/projects/{story['project_id']}/stories/{story['id']}"
            self._asking.ask("PUT", path, {"current_state": state}, about=_name(story["id"]))


def rolled_back(occasion: Occasion, who: str) -> str:
    """Return what is said of a story whose image was taken back."""
    return (
        f"{who or 'Somebody'} rolled `latest` of {occasion.repository} back to before {occasion.named},"
        f" which had delivered this: {occasion.link}"
    )


def _name(story: object) -> str:
    return f"story #{story}"
