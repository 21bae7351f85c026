"""Forges that host repositories, by what their webhooks say: one module each, pure. They send and keep nothing."""

from collections.abc import Mapping

from farm.forges import forgejo, gitea, github, gitlab
from farm.forges.values import Forge, Headers, Ignored, Malformed, Message, Moved, Ping, Proposed

FORGES: Mapping[str, Forge] = {forge.NAME: forge for forge in (github, gitlab, gitea, forgejo)}

__all__ = ["FORGES", "Forge", "Headers", "Ignored", "Malformed", "Message", "Moved", "Ping", "Proposed"]
