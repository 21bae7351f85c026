"""What a farm says about e-mail. It sends none."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from farm.definition.values import kind, wrong
from farm.hosts import here
from farm.settings.secret import Secret
from farm.settings.values import FilePath, Values


def _domain(text: str) -> str:
    if not re.fullmatch(r"[^\s@*]+", text):
        raise wrong(f"{kind(text)} is no domain of an address", "write it alone, such as example.com")
    return text


Domain = Annotated[str, AfterValidator(_domain)]


class EmailSettings(Values):
    """The server that takes the farm's mail, and who may be written to."""

    host: str = Field(min_length=1)
    """The server that takes mail, by the name in its certificate."""
    port: int = Field(default=587, ge=1, le=65535)
    """Its port: 587 with `starttls`, 465 with `tls`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls`, `tls` from the first byte, `none` only for a server on this machine."""
    ca: FilePath | None = None
    """A file of certificates to trust instead of the system's, for a server with a certificate of its own making."""
    user: str | None = None
    """The name to log in with; without it nobody logs in."""
    password: Secret | None = None
    """Needs `user`; never sent over a connection without TLS."""
    sender: str = Field(pattern=r"^[^\s<>@,;:\"]+@[^\s<>@,;:\"]+$", max_length=254)
    """The address that mail comes from."""
    domains: Mapping[str, tuple[Domain, ...]] = Field(min_length=1)
    """Whose authors are written to: repository, or `*` for all others, to the domains of their addresses."""

    @model_validator(mode="after")
    def _in_the_open(self) -> Self:
        if self.password and not self.user:
            raise ValueError("a `password` needs the `user` whose it is")
        if self.security == "none" and (self.password or not here(self.host)):
            raise ValueError(
                "`security: none` is for a server on this machine, without a password; use starttls or tls"
            )
        return self

    def allows(self, repository: str, domain: str) -> bool:
        """Return whether authors with an address in the domain hear of this repository."""
        allowed = self.domains.get(repository, self.domains.get("*", ()))
        return domain.lower() in {each.lower() for each in allowed}
