"""What GitLab's runner fetches beside git's own files: submodules and Git LFS, as `source` of the farm."""

import re
from collections.abc import Mapping

from farm.gitlab.included import Read
from farm.gitlab.notes import Notes
from farm.gitlab.source import Map

_LFS = re.compile(r"^[^#\n]*\sfilter=lfs\b", re.MULTILINE)
_YES = ("1", "true", "t", "yes")


def beside(jobs: Mapping[str, Map], read: Read, notes: Notes) -> list[str]:
    """Take the variables that speak of it out of all jobs and return what is fetched: for all of them, or nothing.

    The runner fetches LFS unless it is told otherwise, so what `.gitattributes` says of it counts.
    """
    found = list[str]()
    with_modules = [
        name for name, job in jobs.items() if _taken(job, "GIT_SUBMODULE_STRATEGY") in ("normal", "recursive")
    ]
    without_lfs = [name for name, job in jobs.items() if _taken(job, "GIT_LFS_SKIP_SMUDGE").lower() in _YES]
    if with_modules:
        found.append("submodules")
        if len(with_modules) < len(jobs):
            at = min(jobs[name].line for name in with_modules)
            notes.add(
                at, "source", f"submodules were fetched for {', '.join(with_modules)}; here they are for all jobs"
            )
    uses = any(_LFS.search(text) for text in read(".gitattributes").values())
    if uses and len(without_lfs) < len(jobs):
        found.insert(0, "lfs")
        if without_lfs:
            at = min(jobs[name].line for name in without_lfs)
            notes.add(at, "source", f"{', '.join(without_lfs)} had no files of Git LFS; here all jobs have them")
    return found


def _taken(job: Map, name: str) -> str:
    variables = job.get("variables")
    if not isinstance(variables, Map) or name not in variables:
        return ""
    said = variables[name]
    del variables[name]
    return str((said.get("value") if isinstance(said, Map) else said) or "")
