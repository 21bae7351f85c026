"""The issues of GitHub and GitLab: closed when their commit's image is `latest`, open again after a rollback.

That a commit only mentions an issue both show by themselves, so nothing is said of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from farm.reporters.tracker import Mention, Occasion, Unheard
from farm.reporters.tracker.asking import Asking
from farm.reporters.tracker.pivotal import rolled_back
from farm.reporters.tracker.syntax import worded
from farm.settings import TrackerSettings


class Issues(ABC):
    """What the issues of both forges have in common."""

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings

    def read(self, message: str, repository: str) -> Sequence[Mention]:
        """Return the issues that the message names, each with its project."""
        own = self._settings.project_of(repository) or repository
        found = []
        for mention in worded(message):
            project, _, number = mention.story.rpartition("#")
            found.append(Mention(f"{project or own}#{number}", mention.act))
        return found

    def announce(self, mentions: Sequence[Mention], occasion: Occasion) -> Sequence[str]:
        """Say nothing: the forge shows commits that name an issue."""
        del mentions, occasion
        return ()

    def finish(self, mention: Mention, occasion: Occasion) -> None:
        """Leave a comment."""
        issue = self._open(mention, occasion)
        self._comment(issue, f"The tests of {occasion.named} have passed: {occasion.link}")

    def deliver(self, mention: Mention, occasion: Occasion) -> None:
        """Close the issue with a comment."""
        issue = self._open(mention, occasion)
        self._turn(issue, close=True)
        self._comment(issue, f"`latest` of {occasion.repository} has {occasion.named}: {occasion.link}")

    def reopen(self, mention: Mention, occasion: Occasion, who: str) -> None:
        """Open the issue with a comment."""
        issue = self._place(mention, occasion)
        self._turn(issue, close=False)
        self._comment(issue, rolled_back(occasion, who))

    def _open(self, mention: Mention, occasion: Occasion) -> str:
        path = self._place(mention, occasion)
        if self._closed(path, mention.story):
            raise Unheard(f"issue {mention.story} is closed already, so the farm leaves it")
        return path

    def _place(self, mention: Mention, occasion: Occasion) -> str:
        own = self._settings.project_of(occasion.repository) or occasion.repository
        project, _, number = mention.story.rpartition("#")
        if project.lower() != own.lower():
            raise Unheard(f"issue {mention.story} is in another project than {own}, so the farm leaves it")
        return self._path(project, number)

    @abstractmethod
    def _path(self, project: str, number: str) -> str:
        """Return the path of an issue."""

    @abstractmethod
    def _closed(self, path: str, story: str) -> bool:
        """Ask whether an issue is closed."""

    @abstractmethod
    def _comment(self, path: str, text: str) -> None:
        """Leave a comment."""

    @abstractmethod
    def _turn(self, path: str, *, close: bool) -> None:
        """Close an issue or open it again."""


class GitHub(Issues):
    """GitHub's issues, by its REST API of 2022-11-28."""

    def __init__(self, settings: TrackerSettings) -> None:
        super().__init__(settings)
        self._asking = Asking(settings.home, self._headers)

    def test(self) -> str:
        """Ask who the token belongs to."""
        return (
            f"{self._asking.host} knows the farm as {self._asking.ask('GET', '/user', about='the user').get('login')}"
        )

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._settings.token.reveal()}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def _path(self, project: str, number: str) -> str:
        return f"/repos/{quote(project)}/issues/{number}"

    def _closed(self, path: str, story: str) -> bool:
        return bool(self._asking.ask("GET", path, about=f"issue {story}")["state"] == "closed")

    def _comment(self, path: str, text: str) -> None:
        self._asking.ask("POST", f"{path}/comments", {"body": text}, about="the issue")

    def _turn(self, path: str, *, close: bool) -> None:
        wanted = {"state": "closed", "state_reason": "completed"} if close else {"state": "open"}
        self._asking.ask("PATCH", path, wanted, about="the issue")


class GitLab(Issues):
    """GitLab's issues, by its REST API v4."""

    def __init__(self, settings: TrackerSettings) -> None:
        super().__init__(settings)
        self._asking = Asking(f"{settings.home}/api/v4", lambda: {"PRIVATE-TOKEN": settings.token.reveal()})

    def test(self) -> str:
        """Ask who the token belongs to."""
        me: Any = self._asking.ask("GET", "/user", about="the user")
        return f"{self._asking.host} knows the farm as {me.get('username')}"

    def _path(self, project: str, number: str) -> str:
        return f"/projects/{quote(project, safe='')}/issues/{number}"

    def _closed(self, path: str, story: str) -> bool:
        return bool(self._asking.ask("GET", path, about=f"issue {story}")["state"] == "closed")

    def _comment(self, path: str, text: str) -> None:
        self._asking.ask("POST", f"{path}/notes", {"body": text}, about="the issue")

    def _turn(self, path: str, *, close: bool) -> None:
        self._asking.ask("PUT", path, {"state_event": "close" if close else "reopen"}, about="the issue")
