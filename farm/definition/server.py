"""What only a server knows of a repository, and what is wrong in its definition by that. It asks no server itself."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from farm.definition.finding import Finding
from farm.definition.hints import nearest
from farm.definition.hooks import is_url
from farm.definition.names import is_secret
from farm.definition.secrets import named
from farm.definition.values import mapping, shown


@dataclass(frozen=True, slots=True)
class Server:
    """The repository's name there, the names of the secrets that it has, and which URLs its hooks may call."""

    repository: str
    secrets: Collection[str] = ()
    may_call: Callable[[str], bool] = lambda url: False  # noqa: ARG005

    def _hint(self, secret: str) -> str:
        close = nearest(secret, self.secrets)
        make = f"make it: farm secret set {shown(self.repository)} {shown(secret)}"
        return f'did you mean "{close}"?' if close else make

    def check(self, data: Any) -> Iterator[Finding]:
        """Give each secret that there is not, and each URL that may not be called."""
        for at, name, _ in named(data):
            if name not in self.secrets and is_secret(name):
                yield Finding(at, f'there is no secret "{shown(name)}"', partial(self._hint, name))
        after = mapping(mapping(mapping(data).get("release")).get("after"))
        for name, hook in after.items():
            url = mapping(hook).get("url")
            if is_url(url) and not self.may_call(url):
                hint = "hook_urls in the server's farm.yml says which it lets"
                yield Finding(
                    ("release", "after", name, "url"), f"the server does not let {shown(url, 200)} be called", hint
                )
