"""Jira's stories, by its REST API v2, which the cloud and servers of one's own have."""

import base64
from collections.abc import Sequence

from farm.reporters.tracker import Mention, Occasion, Unheard
from farm.reporters.tracker.asking import Asking
from farm.reporters.tracker.pivotal import rolled_back
from farm.reporters.tracker.syntax import smart
from farm.settings import TrackerSettings

_V2 = "/rest/api/2"


class Jira:
    """The stories of one Jira project, moved by transitions that are named in the settings or in the commit."""

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._asking = Asking(settings.home, self._headers)

    def read(self, message: str, repository: str) -> Sequence[Mention]:
        """Return the stories of the repository's project."""
        project = self._settings.project_of(repository)
        return smart(message, project) if project else ()

    def announce(self, mentions: Sequence[Mention], occasion: Occasion) -> Sequence[str]:
        """Leave a comment at each story."""
        wrong = []
        for mention in mentions:
            try:
                self._comment(mention, f"{occasion.named}: {occasion.link}")
            except Unheard as unheard:
                wrong.append(str(unheard))
        return wrong

    def finish(self, mention: Mention, occasion: Occasion) -> None:
        """Make the transition for what is tested, or say it."""
        self._move(mention, self._settings.transitions.finish, f"The tests of {occasion.named} have passed")

    def deliver(self, mention: Mention, occasion: Occasion) -> None:
        """Make the transition that the commit names, or that for what is delivered, or say it."""
        wanted = mention.word or self._settings.transitions.deliver
        self._move(mention, wanted, f"latest of {occasion.repository} has {occasion.named}")

    def reopen(self, mention: Mention, occasion: Occasion, who: str) -> None:
        """Make the transition for what was rolled back, and say it."""
        words = rolled_back(occasion, who)
        self._comment(mention, words)
        if wanted := self._settings.transitions.reopen:
            self._move(mention, wanted, words, closed=True)

    def test(self) -> str:
        """Ask who the token belongs to."""
        me = self._asking.ask("GET", f"{_V2}/myself", about="the user")
        return f"{self._asking.host} knows the farm as {me.get('displayName')}"

    def _headers(self) -> dict[str, str]:
        token, user = self._settings.token.reveal(), self._settings.user
        basic = base64.b64encode(f"{user}:{token}".encode()).decode()
        return {"Authorization": f"Basic {basic}" if user else f"Bearer {token}"}

    def _move(self, mention: Mention, wanted: str | None, words: str, *, closed: bool = False) -> None:
        about, path = f"story {mention.story}", f"{_V2}/issue/{mention.story}"
        fields = self._asking.ask("GET", f"{path}?fields=status", about=about)["fields"]
        if fields["status"]["statusCategory"]["key"] == "done" and not closed:
            raise Unheard(f"{about} is {fields['status']['name']} already, so the farm leaves it")
        if not wanted:
            self._comment(mention, words)
            return
        offered = self._asking.ask("GET", f"{path}/transitions", about=about)["transitions"]
        found = next((each["id"] for each in offered if _plain(each["name"]) == _plain(wanted)), None)
        if found is None:
            names = ", ".join(str(each["name"]) for each in offered) or "none"
            raise Unheard(f"{about} has no transition `{wanted}` where it stands; it has {names}")
        self._asking.ask("POST", f"{path}/transitions", {"transition": {"id": found}}, about=about)

    def _comment(self, mention: Mention, text: str) -> None:
        self._asking.ask("POST", f"{_V2}/issue/{mention.story}/comment", {"body": text}, about=f"story {mention.story}")


def _plain(name: str) -> str:
    return name.lower().replace(" ", "-")
