"""What a machine of the farm says about reading a repository. It reads none."""

from pydantic import Field

from farm.settings.secret import Secret
from farm.settings.values import FilePath, Values


class GitSettings(Values):
    """What opens a repository for git on this machine: `token` over https, `key` over ssh."""

    user: str = Field(default="git", pattern=r"^[^\s:]+$")
    """The name that goes with the token; most forges take any."""
    token: Secret | None = None
    """A token that may read the repository, for a clone URL that begins with https://."""
    key: FilePath | None = None
    """The file of a private key without a passphrase, such as a deploy key, for a clone URL over ssh."""
    known_hosts: FilePath | None = None
    """The file with the keys of the hosts that may be spoken to over ssh; without it the user's own."""
