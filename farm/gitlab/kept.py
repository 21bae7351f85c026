"""What a GitLab job leaves behind: `artifacts` with their reports, and `coverage`. It reads no file."""

import math
import re
from collections.abc import Mapping
from typing import Any

from farm.gitlab.merged import flat, lines
from farm.gitlab.notes import Notes
from farm.gitlab.outcomes import seconds
from farm.gitlab.source import Line, Map
from farm.gitlab.words import expand, names

_WHEN = {"on_success": "passed", "on_failure": "failed", "always": "always"}
_HOUR, _DAY, _MOST = 3600, 86400, 365
_PATTERNS = 20
_OWN = re.compile(r"^(?:\$\{?CI_PROJECT_DIR\}?/|\./)+")
_OUTSIDE = re.compile(r"^/|(?:^|/)\.\.(?:/|$)")


def kept(job: Map, about: str, env: Mapping[str, str], notes: Notes) -> dict[str, Any]:
    """Take `artifacts` and `coverage` out of a job and return the `reports` and `artifacts` that they are here."""
    line = job.lines.get("coverage", job.line)
    if job.pop("coverage", None) is not None:
        notes.add(
            line,
            about,
            "coverage is left out: no log is searched here; let the tests write Cobertura, `reports: {coverage: …}`",
        )
    line, said = job.lines.get("artifacts", job.line), job.pop("artifacts", None)
    if not isinstance(said, Map):
        if said is not None:
            notes.add(line, about, "this form of artifacts has no counterpart; left out")
        return {}
    for key in sorted(set(said) - {"reports", "paths", "expire_in", "when"}):
        notes.add(said.lines[key], about, f"{key} of the artifacts has no counterpart; left out")
    reports = _reports(said.get("reports"), about, env, notes)
    made = {"reports": reports} if reports else {}
    paths = _patterns(said.get("paths"), about, env, notes)
    if not paths:
        return made
    notes.add(
        lines(said.get("paths"), line), about, "artifacts are kept for people; no later job finds them in its folder"
    )
    more = _expires(said, about, notes)
    if (word := str(said.get("when") or "on_success")) != "on_success" and word in _WHEN:
        more["when"] = _WHEN[word]
    return made | {"artifacts": {"paths": paths} | more if more else paths}


def _reports(said: Any, about: str, env: Mapping[str, str], notes: Notes) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if not isinstance(said, Map):
        return made
    for key, value in said.items():
        if key == "junit" and (found := _patterns(value, about, env, notes)):
            made["junit"] = found
        elif key == "coverage_report" and isinstance(value, Map) and value.get("coverage_format") == "cobertura":
            if found := _patterns(value.get("path"), about, env, notes):
                made["coverage"] = found
        elif key != "junit":
            notes.add(said.lines[key], about, f"the report {key} is left out: junit and cobertura are read here")
    return made


def _patterns(said: Any, about: str, env: Mapping[str, str], notes: Notes) -> Any:
    """Return one pattern or several; those that only GitLab knows, or that lead elsewhere, are noted."""
    found, at = list[str](), lines(said, Line(0))
    for item in flat(said):
        pattern = expand(_OWN.sub("", str(item)), env).rstrip("/") or "**"
        if names(pattern) or _OUTSIDE.search(pattern):
            notes.add(lines(item, at), about, f"the files {item} cannot be named here; left out")
        else:
            found.append(pattern)
    found = list(dict.fromkeys(found))
    if len(found) > _PATTERNS:
        rest = ", ".join(found[_PATTERNS:])
        notes.add(at, about, f"only {_PATTERNS} patterns can be named; left out: {rest}")
    return found[0] if len(found) == 1 else found[:_PATTERNS]


def _expires(said: Map, about: str, notes: Notes) -> dict[str, Any]:
    if said.get("expire_in") is None:
        return {}
    line, word = said.lines["expire_in"], str(said["expire_in"]).strip()
    length = math.inf if word == "never" else seconds(f"{word}s" if word.isdigit() else word)
    if not length:
        notes.add(line, about, f"expire_in: {word} is no time that is known; left out, so they are kept for 30 days")
        return {}
    if length > _MOST * _DAY:
        notes.add(line, about, f"expire_in: {word} became {_MOST}d, the longest here")
        return {"expire": f"{_MOST}d"}
    if length % _HOUR:
        notes.add(line, about, f"expire_in: {word} became whole hours")
    hours = math.ceil(length / _HOUR)
    return {"expire": f"{hours // 24}d" if hours % 24 == 0 else f"{hours}h" if hours < 10_000 else f"{hours // 24}d"}  # noqa: PLR2004 - four digits
