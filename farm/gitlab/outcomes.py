"""What a GitLab job's failures amount to: `retry`, `allow_failure`, `timeout`. It knows no script."""

import re
from typing import Any

from farm.gitlab.merged import flat
from farm.gitlab.notes import Notes
from farm.gitlab.source import NUMBER, Map

_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
_UNITS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
_LONGEST = 100  # characters of a duration
_TRIES = 5
_DAY = 86400
_CODES = 255
_CAUSES = {"job_execution_timeout": "timeout", "stuck_or_timeout_failure": "timeout"}
_ANY = ("always", "unknown_failure", "script_failure")


def seconds(text: str) -> float:
    """Return the seconds of a duration as GitLab takes it; a number alone is of the unit `m`."""
    long = re.sub(r"mo(?:s|nths?)?\b", "@", text[:_LONGEST].lower())
    months = sum(float(count) * 30 * _DAY for count in re.findall(r"(\d+)\s*@", long))
    rest = re.sub(r"\d+\s*@", "", long).replace("year", "y").replace("yr", "y")
    years = sum(float(count) * 365 * _DAY for count in re.findall(r"(\d+)\s*y", rest))
    found = _TIME.findall(re.sub(r"\d+\s*y[a-z]*", "", rest))
    return months + years + sum(float(count) * _UNITS.get(unit[:1] or "m", 0) for count, unit in found)


def outcomes(job: Map, about: str, notes: Notes) -> dict[str, Any]:
    """Take `retry`, `allow_failure` and `timeout` out of a job and return what they are here."""
    made = _retry(job, about, notes) | _allowed(job, about, notes)
    line, said = job.lines.get("timeout", job.line), job.pop("timeout", None)
    if said is None:
        return made
    length = seconds(str(said))
    if 1 <= length <= _DAY:
        return {"timeout": f"{int(length) // 60}m" if length % 60 == 0 else f"{int(length)}s"} | made
    notes.add(line, about, f"timeout: {said} is not between a second and a day; left out")
    return made


def _retry(job: Map, about: str, notes: Notes) -> dict[str, Any]:
    line, said = job.lines.get("retry", job.line), job.pop("retry", None)
    if said is None:
        return {}
    written = str(said.get("max") or "2") if isinstance(said, Map) else str(said)
    if not NUMBER.fullmatch(written):
        notes.add(line, about, "this form of retry has no counterpart; left out")
        return {}
    tries = min(int(written), _TRIES)
    if not isinstance(said, Map) or not tries:
        return {"retry": tries} if tries else {}
    for key in sorted(set(said) - {"max", "when", "exit_codes"}):
        notes.add(said.lines[key], about, f"{key} of retry has no counterpart; left out")
    codes, unfit = _codes(said.get("exit_codes"))
    if unfit:
        notes.add(line, about, f"retry after {', '.join(unfit)}, no exit codes from 1 to 255, is left out")
    causes: list[Any] = list(codes)
    words = [str(word) for word in flat(said.get("when"))]
    faults = [word for word in words if word not in _ANY and word not in _CAUSES]
    if faults:
        notes.add(
            said.lines["when"],
            about,
            f"retry after {', '.join(faults)} is left out: what the farm is at fault for it tries again by itself",
        )
    if any(word in _ANY for word in words) and not codes:
        return {"retry": tries}
    causes += dict.fromkeys(_CAUSES[word] for word in words if word in _CAUSES)
    if causes:
        return {"retry": {"max": tries, "on": causes[0] if len(causes) == 1 else causes}}
    return {} if words or unfit else {"retry": tries}


def _allowed(job: Map, about: str, notes: Notes) -> dict[str, Any]:
    line, said = job.lines.get("allow_failure", job.line), job.pop("allow_failure", None)
    if said in (None, "false"):
        return {}
    if said == "true":
        return {"allow_failure": True}
    codes, unfit = _codes(said.get("exit_codes")) if isinstance(said, Map) else ([], [str(said)])
    if unfit or not codes:
        words = ", ".join(unfit) or "nothing"
        notes.add(line, about, f"allow_failure for {words} is left out: it takes exit codes from 1 to 255")
    return {"allow_failure": codes[0] if len(codes) == 1 else codes} if codes else {}


def _codes(said: Any) -> tuple[list[int], list[str]]:
    words = [str(word) for word in flat(said)]
    fit = [word for word in words if word.isascii() and word.isdigit() and 1 <= int(word[:6]) <= _CODES]
    return list(dict.fromkeys(map(int, fit)))[:50], [word for word in words if word not in fit]
