"""What a `.gitlab-ci.yml` amounts to as a `.farm.yml`. It reads no other file and asks nobody."""

from farm.gitlab.convert import Conversion, convert
from farm.gitlab.notes import Note

__all__ = ["Conversion", "Note", "convert"]
