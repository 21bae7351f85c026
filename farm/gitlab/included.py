"""`include`: files of the same repository are read and joined as GitLab does it; all others are noted.

It opens no file itself: who calls says how a path becomes text.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from farm.gitlab import source
from farm.gitlab.merged import flat, joined
from farm.gitlab.notes import Notes
from farm.gitlab.source import Line, Map, Text

Read = Callable[[str], Mapping[str, str]]  # a path or pattern -> text by path; empty where there is none
MOST = 150  # files, as many as GitLab takes


def nothing(_: str) -> Mapping[str, str]:
    """Read no file: everything that is included is noted."""
    return {}


def whole(data: Map, read: Read, notes: Notes, seen: set[str] | None = None) -> Map:
    """Return the file with what it includes; its own words count."""
    seen = set() if seen is None else seen
    made = Map(data.line)
    for item in flat(data.get("include")):
        for path in _local(item, notes, data.lines["include"]):
            texts = read(path)
            if not texts:
                notes.add(_line(item, data.lines["include"]), "include", f"local {path} is not read: it is not there")
            for name, text in texts.items():
                if name not in seen and len(seen) >= MOST:
                    notes.add(_line(item, data.lines["include"]), "include", f"{name} is not read: {MOST} files are")
                elif name not in seen:
                    seen.add(name)
                    made = joined(made, whole(source.load(text, name, file=name), read, notes, seen))
    made = joined(made, data)
    made.pop("include", None)
    return made


def _local(item: Any, notes: Notes, line: Line) -> Iterator[str]:
    """Give the paths of an entry that are in this repository; note all else that it says."""
    at = _line(item, line)
    if isinstance(item, Text) and "://" not in item:
        yield item.lstrip("/")
        return
    pairs = item.items() if isinstance(item, Map) else [("remote", item)]
    for key, value in pairs:
        if key == "local":
            for path in flat(value):
                yield str(path).lstrip("/")
        elif key in ("remote", "template", "component", "project"):
            words = ", ".join(str(each) for each in flat(value))
            notes.add(at, "include", f"{key} {words} is not read; import what it holds too")
        elif key in ("rules", "inputs"):
            notes.add(at, "include", f"{key} of an include has no counterpart; left out")


def _line(item: Any, line: Line) -> Line:
    found = getattr(item, "line", line)
    return found if isinstance(found, Line) else line
