"""Webhooks of Forgejo: those of Gitea, under its own name too. What it documents beyond Gitea is ignored there."""

from farm.forges.gitea import IGNORED, doubt, event, identities, project, read

NAME = "forgejo"

__all__ = ["IGNORED", "NAME", "doubt", "event", "identities", "project", "read"]
