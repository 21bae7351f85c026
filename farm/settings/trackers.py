"""What a farm says about story trackers. It moves no story."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from farm.settings.secret import Secret
from farm.settings.values import HttpUrl, Values

_HOMES = {"github": "https://api.github.com", "gitlab": "https://gitlab.com"}


class Transitions(Values):
    """Jira's names of the transitions that the farm makes; one that is not named is only told in a comment."""

    finish: str | None = None
    """When the tests of a commit have passed."""
    deliver: str | None = None
    """When its image has become `latest`."""
    reopen: str | None = None
    """When a rollback took its image back."""


class TrackerSettings(Values):
    """One tracker whose stories follow the commits that name them."""

    kind: Literal["pivotal", "github", "gitlab", "jira", "webhook"]
    """What it speaks: Pivotal Tracker's v5, the issues of GitHub or GitLab, Jira, or signed posts to an address."""
    url: HttpUrl | None = None
    """Where it is, without a user's name in it; GitHub and GitLab are known."""
    token: Secret
    """What proves the farm to it; of a `webhook` what the posts are signed with (whsec_...)."""
    user: str | None = None
    """With Jira in the cloud the address of the account that the token belongs to."""
    project: str | None = Field(default=None, min_length=1)
    """Where the stories are: Pivotal's number, `owner/name`, Jira's key."""
    projects: Mapping[str, str] = Field(default_factory=dict)
    """Repositories whose stories are in another project."""
    repositories: tuple[str, ...] = ("*",)
    """Whose commits are read: names, or patterns such as `web-*`."""
    transitions: Transitions = Transitions()
    """Jira's names of what the farm does to a story."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.url and self.kind not in _HOMES:
            raise ValueError(f"a tracker of the kind `{self.kind}` needs a `url`, for there is none that all use")
        if self.kind == "jira" and not (self.project or self.projects):
            raise ValueError("Jira needs a `project`, the letters before a story's number, such as THY")
        return self

    @property
    def home(self) -> str:
        """Return where it is, without a slash at the end."""
        return (self.url or _HOMES.get(self.kind, "")).rstrip("/")

    def project_of(self, repository: str) -> str | None:
        """Return the project that has the stories of a repository, None where nothing says it."""
        return self.projects.get(repository, self.project)
