"""Functions over the git program: mirrors of repositories, and what a commit holds. It keeps no checkout.

Arguments from outside are checked before git sees them, and nothing of the caller's own git environment leaks in.
"""

from farm.git.history import among, commits, since
from farm.git.mirror import ensure, fetch, find, forget, mirror_path, mirrors
from farm.git.reading import Commit, Look, after, archive, changed, describe, listed, look, ls_remote, paths, show
from farm.git.urls import checked, host, local, oid, shown

__all__ = [
    "Commit",
    "Look",
    "after",
    "among",
    "archive",
    "changed",
    "checked",
    "commits",
    "describe",
    "ensure",
    "fetch",
    "find",
    "forget",
    "host",
    "listed",
    "local",
    "look",
    "ls_remote",
    "mirror_path",
    "mirrors",
    "oid",
    "paths",
    "show",
    "shown",
    "since",
]
