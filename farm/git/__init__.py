"""Functions over the git program: mirrors of repositories, and what a commit holds. It keeps no checkout.

Arguments from outside are checked before git sees them, and nothing of the caller's own git environment leaks in.
"""

from farm.git.history import among, commits, since
from farm.git.lfs import fetch_lfs
from farm.git.login import Login, login
from farm.git.mirror import ensure, fetch, find, mirror_path
from farm.git.program import environment
from farm.git.reading import (
    Commit,
    Look,
    after,
    archive,
    changed,
    describe,
    listed,
    look,
    ls_remote,
    matching,
    paths,
    show,
)
from farm.git.room import forget, mirrors, trim
from farm.git.submodules import Submodule, submodules
from farm.git.urls import checked, host, local, oid, password, server, shown

__all__ = [
    "Commit",
    "Login",
    "Look",
    "Submodule",
    "after",
    "among",
    "archive",
    "changed",
    "checked",
    "commits",
    "describe",
    "ensure",
    "environment",
    "fetch",
    "fetch_lfs",
    "find",
    "forget",
    "host",
    "listed",
    "local",
    "login",
    "look",
    "ls_remote",
    "matching",
    "mirror_path",
    "mirrors",
    "oid",
    "password",
    "paths",
    "server",
    "show",
    "shown",
    "since",
    "submodules",
    "trim",
]
