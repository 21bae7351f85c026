"""What `.farm.yml` says: parsed, validated and resolved. It opens no file and asks nobody."""

from farm.definition.files import ALONE, Files
from farm.definition.mistakes import DefinitionError, Mistake
from farm.definition.models import Build, Definition, Hook, Job, Notify, Ready, Release, Service
from farm.definition.reader import parse
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
    "Service",
    "expand",
    "matches",
    "parse",
    "reserved",
]
