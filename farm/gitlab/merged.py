"""Jobs with all that they inherit: `extends`, `!reference`, `default` and the old global keys. Hidden jobs are gone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from farm.gitlab.notes import Notes
from farm.gitlab.source import Line, List, Map, Reference

GLOBAL = ("stages", "variables", "workflow", "include", "default", "spec")
DEFAULTS = ("image", "services", "before_script", "after_script", "cache")
_DEEP = 11


def jobs(data: Map, notes: Notes) -> Mapping[str, Map]:
    """Return the visible jobs by name, in the order of the file."""
    found: dict[str, Map] = {}
    for name, value in data.items():
        old = name == "types" and isinstance(value, List)  # the stages, as they were called once
        if name in GLOBAL or name in DEFAULTS or name.startswith(".") or old:
            continue
        if not isinstance(value, Map):
            notes.add(data.lines[name], name, "is neither a job nor a key that is known; left out")
            continue
        job = _extended(data, name, notes, ())
        found[name] = _defaulted(_referenced(job, data, notes, name), data, notes)
    return found


def stages(data: Map) -> Sequence[str]:
    """Return the names of the stages in their order."""
    old = data.get("types")
    named = data.get("stages") or (old if isinstance(old, List) else None) or ["build", "test", "deploy"]
    return [".pre", *(str(stage) for stage in named if stage not in (".pre", ".post")), ".post"]


def lines(value: Any, at: Line) -> Line:
    """Return the line of a value, or that of where it stands."""
    found = getattr(value, "line", at)
    return found if isinstance(found, Line) else at


def flat(value: Any) -> Iterator[Any]:
    """Give the items of a list, lists in it taken apart; one item stands for a list of one."""
    if isinstance(value, List):
        for item in value:
            yield from flat(item)
    elif value is not None:
        yield value


def _extended(data: Map, name: str, notes: Notes, above: Sequence[str]) -> Map:
    job: Map = data[name]
    made = Map(data.lines[name])
    for parent in flat(job.get("extends")):
        line = lines(parent, job.line)
        if parent in above or len(above) >= _DEEP:
            notes.add(line, name, f"extends {parent} goes round in a circle; left out")
        elif not isinstance(data.get(parent), Map):
            notes.add(line, name, f"extends {parent}, which is not in this file; left out")
        else:
            made = joined(made, _extended(data, str(parent), notes, (*above, name)))
    made = joined(made, job)
    made.pop("extends", None)
    made.line = data.lines[name]
    return made


def joined(base: Map, over: Map) -> Map:
    """Return both together: mappings are joined key by key, of all else the upper one counts."""
    made = Map(over.line)
    for source in (base, over):
        for key, value in source.items():
            below = made.get(key)
            deep = joined(below, value) if isinstance(below, Map) and isinstance(value, Map) else value
            made.put(key, deep, source.lines[key])
    return made


def _referenced(value: Any, data: Map, notes: Notes, about: str, depth: int = 0) -> Any:
    """Return a value with what its references name in their places."""
    if isinstance(value, Reference):
        at: Any = data
        for part in value.path:
            at = at.get(part) if isinstance(at, Map) else None
        if at is None or depth > _DEEP:
            why = "goes round in a circle" if depth > _DEEP else "is not in this file"
            notes.add(value.line, about, f"!reference [{', '.join(value.path)}] {why}; left out")
            return None
        return _referenced(at, data, notes, about, depth + 1)
    if isinstance(value, List):
        items = (_referenced(item, data, notes, about, depth) for item in value)
        return List([item for item in items if item is not None], value.line)
    if isinstance(value, Map):
        made = Map(value.line)
        for key, item in value.items():
            made.put(key, _referenced(item, data, notes, about, depth), value.lines[key])
        return made
    return value


def _defaulted(job: Map, data: Map, notes: Notes) -> Map:
    default = data.get("default")
    wanted = job.pop("inherit", None)
    allowed = wanted.get("default") if isinstance(wanted, Map) else None
    for source in (default if isinstance(default, Map) else Map(data.line), data):
        for key in source:
            if key in job or (source is data and key not in DEFAULTS) or allowed == "false":
                continue
            if isinstance(allowed, List) and key not in allowed:
                continue
            job.put(key, _referenced(source[key], data, notes, "default"), source.lines[key])
    shared = data.get("variables")
    for key, value in shared.items() if isinstance(shared, Map) else ():
        variables = wanted.get("variables") if isinstance(wanted, Map) else None
        if variables == "false" or (isinstance(variables, List) and key not in variables):
            continue
        own = job.get("variables")
        if not isinstance(own, Map):
            own = Map(data.lines["variables"])
            job.put("variables", own, own.line)
        if key not in own:
            own.put(key, value, data["variables"].lines[key])
    return job
