"""What a farm says about Slack. It posts nothing."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from farm.settings.secret import Secret
from farm.settings.values import Url, Values

Person = Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{2,}$")]


class SlackSettings(Values):
    """Where Slack hears of results, and of which."""

    token: Secret | None = None
    """A bot's token, `xoxb-...`: one message a branch, edited in place, with a thread."""
    channel: str | None = Field(default=None, min_length=1)
    """The channel, by its id (`C0123456789`) or name (`#builds`); needed with a token."""
    channels: Mapping[str, str] = Field(default_factory=dict)
    """Repositories that have a channel of their own."""
    people: Mapping[str, Person] = Field(default_factory=dict)
    """Authors to mention: the address in their commits to their member id in Slack."""
    webhook: Secret | None = None
    """The address of an incoming webhook, for a workspace without a bot: single messages."""
    when: Literal["always", "change", "failure", "never"] = "change"
    """Of which results: always, change (a branch breaks, or is mended), failure, never."""

    api: Url = Field(default="https://slack.com/api/", pattern=r"^https?://\S+/$")
    """Slack's Web API; https://slack-gov.com/api/ for GovSlack."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("this says nothing; give it a `webhook`, or a `token` with a `channel`, or remove the key")
        if self.token and self.webhook:
            raise ValueError("give Slack a `token` or a `webhook`, not both")
        if self.token and not self.channel:
            raise ValueError("a `token` needs a `channel` to post to, such as C0123456789")
        return self

    def channel_of(self, repository: str) -> str:
        """Return where the repository's news goes."""
        return self.channels.get(repository, self.channel or "")

    def person(self, address: str) -> str | None:
        """Return the member of Slack who commits with this address, in any case."""
        return {each.lower(): person for each, person in self.people.items()}.get(address.lower())

    def wish(self, of_definition: str | None) -> str:
        """Return which results are told, by the definition's word where it has one; `never` here is the last word."""
        return self.when if self.when == "never" else of_definition or self.when
