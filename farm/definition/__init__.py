"""What `.farm.yml` says: parsed, validated and resolved. It opens no file and asks nobody.

Its names are fetched when they are used: every command that reads settings needs small parts of this package, and the
models of a definition take a quarter of a second to make.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farm.definition.files import ALONE, Files
    from farm.definition.mistakes import DefinitionError, Mistake
    from farm.definition.models import Build, Definition, Hook, Job, Notify, Ready, Release, Service
    from farm.definition.reader import parse
    from farm.definition.server import Server
    from farm.definition.templates import expand, matches, reserved

__all__ = [
    "ALONE",
    "Build",
    "Definition",
    "DefinitionError",
    "Files",
    "Hook",
    "Job",
    "Mistake",
    "Notify",
    "Ready",
    "Release",
    "Server",
    "Service",
    "expand",
    "matches",
    "parse",
    "reserved",
]


_MODULES = ("files", "mistakes", "templates", "models", "reader", "server")  # what is made soonest comes first


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in (import_module(f"{__name__}.{each}") for each in _MODULES):
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
