"""What opens a repository for git: a token over https, a key over ssh. It is told in git's environment alone.

So it is in no command line, no URL, no file of a mirror and no message; a process's environment is open to the user
alone that could read the secret itself.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from farm.errors import Errored, Refused
from farm.settings import GitSettings

_HELPER = """!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' "$FARM_GIT_USER" "$FARM_GIT_TOKEN"; }; f"""
_SSH = ("-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oUpdateHostKeys=no")


@dataclass(frozen=True, slots=True)
class Login:
    """A user's token, or a key with the hosts that it may be shown to. It never asks anybody."""

    user: str = ""
    token: str = field(default="", repr=False)
    key: str = ""
    known_hosts: str = ""

    def environment(self, url: str) -> Mapping[str, str]:
        """Return what git is told for this URL; the token goes to the host of the URL and to no other."""
        if url.startswith(("https://", "http://")):
            return self._https(url) if self.token else {}
        return self._ssh() if self.key or self.known_hosts else {}

    def _https(self, url: str) -> Mapping[str, str]:
        parts = urlsplit(url)
        host = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
        settings = (("credential.helper", ""), (f"credential.{host}.helper", _HELPER))
        told = {"GIT_CONFIG_COUNT": str(len(settings)), "FARM_GIT_USER": self.user, "FARM_GIT_TOKEN": self.token}
        for index, (key, value) in enumerate(settings):
            told |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
        return told

    def _ssh(self) -> Mapping[str, str]:
        words = ["ssh", *_SSH]
        if self.key:
            words += ["-i", self.key, "-oIdentitiesOnly=yes", "-oIdentityAgent=none"]
        if self.known_hosts:
            words += [f'-oUserKnownHostsFile="{self.known_hosts}"', "-oGlobalKnownHostsFile=/dev/null"]
        return {"GIT_SSH_COMMAND": shlex.join(words)}


def login(settings: GitSettings | None) -> Login | None:
    """Return what a repository's settings say, None where they say nothing; Errored if a secret cannot be read."""
    if settings is None:
        return None
    try:
        token = settings.token.reveal() if settings.token else ""
    except Refused as refusal:
        raise Errored(str(refusal)) from refusal
    if any(letter in token for letter in "\n\r\0"):
        raise Errored("the token for git has more than one line; keep the token alone in its file or variable")
    return Login(settings.user, token, *(str(path or "") for path in (settings.key, settings.known_hosts)))
