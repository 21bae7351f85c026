"""How the hooks of a release are written: what is done once an image is released."""

from collections.abc import Mapping
from typing import Annotated, TypeGuard
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from farm.definition import models
from farm.definition.commands import Env, Script
from farm.definition.models import Value
from farm.definition.names import HookName, Secrets
from farm.definition.quantities import HookTimeout
from farm.definition.values import Given, kind, text, wrong

TIMEOUT = 600.0
LONGEST = 1000
_URL = r"https?://[^\s/?#@\\\x00-\x1f]+(?:/[^\s#\\\x00-\x1f]*)?"


def is_url(value: object) -> TypeGuard[str]:
    """Return whether a value can be called: http or https, no password, nothing that is read in two ways."""
    words = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(words)
        fits = parts.scheme in ("http", "https") and parts.hostname and not {"..", "."} & {*parts.path.split("/")}
        fits = fits and (parts.port is None or parts.port > 0) and words.isascii() and words.isprintable()
    except ValueError:
        fits = False
    return bool(fits) and len(words) <= LONGEST and not {*words} & {*" @\\#"}


def _url(value: object) -> object:
    words = text(value)
    if not is_url(words):
        raise wrong(f"{kind(words)} is no URL to call", "write https://host/path, without a password in it")
    return value


Url = Annotated[
    str, BeforeValidator(_url), WithJsonSchema({"type": "string", "pattern": f"^{_URL}$", "maxLength": LONGEST})
]


class Hook(Value):
    """What is done once for each released image: a script in it, or a URL that is called."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["script", "url"]}})

    script: Annotated[Script | None, Given] = None
    """One command or several, run in the image that was released."""
    url: Annotated[Url | None, Given] = None
    """A URL that gets a POST with what was released as JSON; the server has to allow it."""
    env: Env = Field(default_factory=dict)
    """The environment of the script."""
    secrets: Secrets = ()
    """Names of secrets of the repository that the script is given as variables."""
    timeout: HookTimeout = TIMEOUT
    """How long it may take; 10m unless said."""

    def resolve(self) -> models.Hook:
        """Return what the farm uses."""
        return models.Hook(
            script=self.script or (), url=self.url, env=self.env, secrets=self.secrets, timeout=self.timeout
        )


def _hook(value: object) -> object:
    if value is None:
        raise wrong("the hook says nothing", "give a command, or {url: ...}")
    return value if isinstance(value, dict) else {"script": value}


def _after(value: object) -> object:
    return {"after": value} if isinstance(value, str | tuple) else value


_Named = dict[HookName, Annotated[Hook, BeforeValidator(_hook, json_schema_input_type=Script | Hook)]]
After = Annotated[
    _Named, Field(min_length=1, max_length=10), BeforeValidator(_after, json_schema_input_type=Script | _Named)
]


def resolved(after: Mapping[str, Hook]) -> dict[str, models.Hook]:
    """Return the hooks that the farm runs."""
    return {name: hook.resolve() for name, hook in after.items()}
